"""Folders that are there whole or not at all, and locks that die with their holder. What is in them it doesn't know."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file, waiting for whoever holds it. The kernel frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def place_folder(source: Path, target: Path, check: Callable[[Path], object]) -> None:
    """Copy a folder to `target`, in place of what may stand there, once `check` has passed the copy.

    Raises OSError, and what `check` raises; then nothing has changed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".*"))
        check(copy)
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        copy.rename(target)
