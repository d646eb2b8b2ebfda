"""What this machine needs for the steps that run here: a folder to write to, room on its disk, a port, packages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning

GIB = 1024**3
LEAST_FREE, USUAL_FREE = 1 * GIB, 5 * GIB  # a training with its steps kept takes about one
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;#]+)", re.MULTILINE)


def nearest(folder: Path) -> Path:
    """Return the folder, or the closest one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def home_line(folder: Path, is_writable: bool) -> CheckLine:
    """Return whether the platform's state can be written."""
    if is_writable:
        return ok("home", f"{folder} is writable")
    return failure("home", f"{folder} is not writable: change its owner, or set VISIONLINE_HOME to another folder")


def disk_line(folder: Path, free: int) -> CheckLine:
    """Return whether there is room; `free` in bytes."""
    text = f"{free / GIB:.1f} GiB free at {folder}"
    if free < LEAST_FREE:
        return failure("disk", f"{text}: make room for at least {LEAST_FREE // GIB} GiB")
    return ok("disk", text) if free >= USUAL_FREE else warning("disk", f"{text}: a few trainings fill that")


def port_line(port: int, is_open: bool) -> CheckLine:
    """Return whether the endpoint can have its port; `is_open`: something answers there now."""
    if port == 0:
        return ok("port", "the endpoint takes a free one")
    if is_open:
        return warning("port", f"{port} is in use: by this stage's endpoint, or by a program that must go first")
    return ok("port", f"{port} is free")


def pins(requirements: str) -> dict[str, str]:
    """Return the pinned packages of a requirements file and their versions."""
    return {name: version for name, version in PINNED.findall(requirements)}


def package_lines(wanted: Mapping[str, Mapping[str, str]], installed: Mapping[str, str]) -> Iterator[CheckLine]:
    """Yield for each requirements file whether its packages are installed; `installed` by name in lower case."""
    for file, packages in wanted.items():
        found = {name: installed.get(_plain(name)) for name in packages}
        missing = [name for name, version in found.items() if version is None]
        other = [f"{name} {version}" for name, version in found.items() if not _is(version, packages[name])]
        if missing:
            yield failure("packages", f"{file}: not installed: {', '.join(missing)}: pip install -r {file}")
        elif other:
            yield warning("packages", f"{file}: other versions than pinned: {', '.join(other)}: pip install -r {file}")
        else:
            yield ok("packages", f"{file}: {len(packages)} installed as pinned")


def plain_names(installed: Mapping[str, str]) -> dict[str, str]:
    """Return packages by their names as package indexes compare them."""
    return {_plain(name): version for name, version in installed.items()}


def _is(version: str | None, pinned: str) -> bool:
    # A pin takes any build of its version, as 2.13.0+cpu.
    return version is not None and version.partition("+")[0] == pinned.partition("+")[0]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
