"""Packs the local platform's state for the next machine, and unpacks it there: what stages need of it, and no more.

Finished steps, downloads and running processes stay behind: they can be made again. Paths in the state are absolute, so
both machines must have the repository at the same place, as the hosted agents of one CI system have.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

from mlops.errors import ConfigError
from mlops.loading import write_text

# The registry, its packages, the data versions, what each endpoint should serve, and the packages that it serves.
PARTS = ("mlflow.db", "models", "data", "endpoints", "packages")
LEFT_BEHIND = (".lock", ".log")
FOUND, FETCHED = "found", "fetched"
NOTHING = "none"


def note_found(home: Path, mark: str | None) -> None:
    """Remember which kept state this machine is to go on from; None: there was none yet, so it may begin at once."""
    home.mkdir(parents=True, exist_ok=True)
    write_text(home / (FOUND if mark else FETCHED), (mark or NOTHING) + "\n")


def fetched_mark(home: Path) -> str | None:
    """Return the mark of the state that this machine went on from, None where there was none.

    Raises ConfigError where nothing was looked for, or what was found was not unpacked.
    """
    path = home / FETCHED
    if not path.exists():
        raise ConfigError(f"{path}: is missing: fetch the state before a job's steps, or theirs would replace it all")
    mark = path.read_text(encoding="utf-8").strip()
    return None if mark == NOTHING else mark


def pack(home: Path, file: Path) -> None:
    """Write the state's parts into a gzipped tar file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with tarfile.open(part, "w:gz", compresslevel=1) as archive:
        for name in PARTS:
            if (home / name).exists():
                archive.add(home / name, arcname=name, filter=_kept)
    part.replace(file)


def unpack(file: Path, home: Path) -> None:
    """Put a packed state into an empty home. Raises ConfigError where one is there already, or the file is damaged."""
    if present := [name for name in PARTS if (home / name).exists()]:
        raise ConfigError(f"{home / present[0]}: is there already: a packed state is unpacked on a new machine only")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".unpacked.") as scratch:
        _extract(file, Path(scratch))
        for name in PARTS:
            if (Path(scratch) / name).exists():
                shutil.move(Path(scratch) / name, home / name)
    if (home / FOUND).exists():
        (home / FOUND).replace(home / FETCHED)


def _extract(file: Path, folder: Path) -> None:
    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ConfigError(f"{file}: is no packed state ({type(error).__name__}): fetch it again") from None


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    is_plain = member.isfile() or member.isdir() or member.issym()
    return member if is_plain and not member.name.endswith(LEFT_BEHIND) else None
