"""Files of lines that a kill at any moment leaves usable: each append is whole or cut away. It knows no content."""

from __future__ import annotations

import os
from pathlib import Path

BLOCK = 1 << 16


def open_whole(path: Path) -> tuple[int, int]:
    """Open a file for appending, cut off what follows its last line end, and return (descriptor, bytes cut off)."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    size = os.fstat(file).st_size
    end = _last_line_end(file, size)
    if end < size:
        os.ftruncate(file, end)
    return file, size - end


def append(file: int, content: bytes) -> None:
    """Append to an open file, whole or not at all. Raises OSError where the disk does not take it."""
    size = os.fstat(file).st_size
    try:
        written = 0
        while written < len(content):
            written += os.write(file, memoryview(content)[written:])
    except OSError:
        os.ftruncate(file, size)
        raise


def _last_line_end(file: int, size: int) -> int:
    for start in range((size - 1) // BLOCK * BLOCK, -1, -BLOCK):
        found = os.pread(file, min(BLOCK, size - start), start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0
