"""Gets the data set's raw files, each checked by SHA-256, into a folder that is written whole or not at all.

    python -m vision.fetch --out DIR [--folder DIR] [--no-debian] [--url https://...]

Tried in this order: the folder that the user names (if it is wrong, that is an error); the folder of Debian's package;
that package fetched without root; the URL. Files are stored decompressed, so the same content is the same data version
whatever compressed it. Standard library only. It does not know what the files mean: `vision.data` names them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vision import data
from vision.errors import VisionError, exit_code

TIMEOUT = 60  # seconds without a byte from a server
COMMAND_TIMEOUT = 900  # seconds for apt-get to fetch 31 MB
PIECE = 1 << 20  # bytes read at a time

Report = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """One place to get the files from. `open` may use the scratch folder, and returns a folder that holds them."""

    name: str
    open: Callable[[Path], Path]
    named_by_user: bool = False


def sources(folder: Path | None, debian: bool, url: str | None, report: Report = print) -> Iterator[Source]:
    """Yield the places to try, in order. Raises VisionError on a URL that is not https."""
    if url and not url.startswith("https://"):
        raise VisionError(f"--url {url}: only https:// is taken: give such a URL")
    if folder:
        yield Source(f"folder {folder}", lambda _: folder, named_by_user=True)
    if debian and data.DEBIAN_FOLDER.is_dir():
        yield Source(f"folder {data.DEBIAN_FOLDER}", lambda _: data.DEBIAN_FOLDER)
    if debian and shutil.which("apt-get") and shutil.which("dpkg"):
        yield Source(f"Debian package {data.DEBIAN_PACKAGE}", _unpack_debian_package)
    if url:
        yield Source(url, lambda scratch: _download_all(url, scratch, report))


def fetch(out: Path, places: Iterator[Source], report: Report = print) -> None:
    """Put the files into `out`, from the first place that has them all; reuse `out` where it is complete.

    Raises VisionError, naming the file, where the user's folder or `out` is wrong, or no place has the files.
    """
    if out.exists() and not out.is_dir():
        raise VisionError(f"--out {out}: is not a folder: give another")
    if out.exists() and any(out.iterdir()):
        _check(out)
        report(f"data: {out} is complete and checked: reused")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        files = _first_good(places, Path(temporary), report)
        os.rename(files, out)
    report(f"data: {len(data.FILES)} files checked, in {out}")


def _first_good(places: Iterator[Source], temporary: Path, report: Report) -> Path:
    """Return the folder of checked files from the first place that has them all."""
    failures = []
    for number, place in enumerate(places):
        report(f"data: trying {place.name}")
        scratch, files = temporary / f"scratch{number}", temporary / f"files{number}"
        scratch.mkdir()
        files.mkdir()
        try:
            _take_all(place.open(scratch), files)
            return files
        except VisionError as error:
            if place.named_by_user:
                raise
            report(f"data: {error}")
            failures.append(str(error))
    tried = "; ".join(failures) or "no place to look in"
    raise VisionError(
        f"data: cannot be had ({tried}): give --folder DIR or --url https://... with {', '.join(data.FILES)}"
    )


def _take_all(folder: Path, files: Path) -> None:
    for name, expected in data.FILES.items():
        _take(_find(folder, name), files / name, expected)


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise VisionError(f"{folder / name}: is absent, and {name}.gz too: put one of them there or name another folder")


def _take(source: Path, target: Path, expected: str) -> None:
    """Copy one file, decompressed. Raises VisionError where it is cut or is not the one that `vision.data` names."""
    opener = gzip.open if source.suffix == ".gz" else open
    try:
        with opener(source, "rb") as stream, target.open("wb") as copy:
            actual = _copy(stream, copy)
    except (OSError, EOFError, zlib.error) as error:
        raise VisionError(f"{source}: is cut or cannot be read ({error}): get it again") from None
    if actual != expected:
        raise VisionError(f"{source}: content has SHA-256 {actual}, expected {expected}: get it again")


def _copy(stream: io.BufferedIOBase, target: IO[bytes]) -> str:
    content = hashlib.sha256()
    while piece := stream.read(PIECE):
        content.update(piece)
        target.write(piece)
    return content.hexdigest()


def _check(out: Path) -> None:
    for name, expected in data.FILES.items():
        path = out / name
        if not path.is_file():
            raise VisionError(f"{path}: is absent: remove the folder {out}, or give another --out")
        with path.open("rb") as stream:
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
        if actual != expected:
            raise VisionError(
                f"{path}: has SHA-256 {actual}, expected {expected}: remove the folder {out} and run again"
            )


def _unpack_debian_package(scratch: Path) -> Path:
    """Fetch the package through apt's own sources and unpack it, both without root."""
    _run(["apt-get", "download", "--quiet", data.DEBIAN_PACKAGE], scratch)
    packages = list(scratch.glob("*.deb"))
    if len(packages) != 1:
        raise VisionError(
            f"apt-get download {data.DEBIAN_PACKAGE}: left {len(packages)} packages: use --folder or --url"
        )
    _run(["dpkg", "-x", str(packages[0]), "root"], scratch)
    return scratch / "root" / data.DEBIAN_FOLDER.relative_to("/")


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise VisionError(f"{' '.join(command)}: failed ({last}): use --folder or --url") from None
    except subprocess.TimeoutExpired:
        raise VisionError(f"{' '.join(command)}: took over {COMMAND_TIMEOUT} s: use --folder or --url") from None


def _download_all(url: str, scratch: Path, report: Report) -> Path:
    for name in data.FILES:
        _download(url.rstrip("/"), name, scratch, report)
    return scratch


def _download(url: str, name: str, scratch: Path, report: Report) -> None:
    """Store one file as the server has it, compressed or not. Raises VisionError with the address."""
    address = f"{url}/{name}.gz"
    try:
        response = _open(address)
        if response is None:
            address = f"{url}/{name}"
            response = _open(address)
        if response is None:
            raise VisionError(
                f"{address}: is absent, and {name}.gz too: give the --url of a folder that holds the files"
            )
        report(f"data: {address}  {int(response.headers.get('Content-Length', 0)) / 1e6:.1f} MB")
        with response, (scratch / Path(address).name).open("wb") as target:
            _copy(response, target)
    except (OSError, http.client.HTTPException) as error:
        raise VisionError(f"{address}: cannot be fetched ({error}): run again, or use --folder") from None


def _open(address: str) -> http.client.HTTPResponse | None:
    """Return the server's answer, None where it says that the file is absent. Raises OSError on all else."""
    try:
        response: http.client.HTTPResponse = _https().open(address, timeout=TIMEOUT)
        return response
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.NOT_FOUND:
            return None
        raise


def _https() -> urllib.request.OpenerDirector:
    """Return an opener that knows https alone, so that no redirect leads to plain http."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vision.fetch", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--folder", type=Path, help="a folder that holds the files, with .gz or without")
    parser.add_argument("--debian", action=argparse.BooleanOptionalAction, default=True, help="try Debian's package")
    parser.add_argument("--url", help="https address of a folder that holds the files")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Fetch the data set and return the exit code: 0, or 1 after one line on stderr."""
    options = _parser().parse_args(arguments)
    places = sources(options.folder, options.debian, options.url, _say)
    return exit_code(lambda: fetch(options.out.resolve(), places, _say))


if __name__ == "__main__":
    sys.exit(main())
