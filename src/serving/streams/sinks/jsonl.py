"""Appends lines to a file, and moves it aside when it has grown: PATH, then PATH.1, PATH.2, the oldest dropped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.streams.building import build
from serving.streams.lines import append, open_whole
from serving.streams.sinks.port import SinkError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class JsonlOptions:
    """The file, the size at which it is moved aside, and how many moved ones are kept."""

    path: Path
    rotate_mb: float = 100.0
    keep: int = 5


class JsonlSink:
    """A file of lines. What a kill tore off at its end is cut away before the first line is appended."""

    def __init__(self, name: str, options: JsonlOptions) -> None:
        self.name = name
        self.refused = 0
        self._options = options
        self._file: int | None = None

    def send(self, lines: Sequence[bytes]) -> None:
        """Append the lines: all of them, or none. Raises SinkError where the disk takes none."""
        try:
            self._append(b"".join(lines))
        except OSError as error:
            self.close()
            raise SinkError(f"{self._options.path}: {error.strerror}") from None

    def close(self) -> None:
        """Write through to the disk what the system still holds, as far as the disk takes it, and close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def _append(self, content: bytes) -> None:
        path = self._options.path
        if self._file is not None and not _is_at(self._file, path):
            self.close()
        if self._file is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file, _ = open_whole(path)
        size = os.fstat(self._file).st_size
        if size and size + len(content) > self._options.rotate_mb * MEGABYTE:
            self.close()
            rotate(path, self._options.keep)
            return self._append(content)
        append(self._file, content)


def _is_at(file: int, path: Path) -> bool:
    """Tell whether an open file is still the one at a path: somebody may have moved or removed it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def rotate(path: Path, keep: int) -> None:
    """Move PATH to PATH.1, PATH.1 to PATH.2 and so on; of those moved, `keep` stay."""
    numbered = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
    for newer, older in reversed(list(zip(numbered, numbered[1:], strict=False))):
        if newer.exists():
            newer.replace(older)
    path.unlink(missing_ok=True)


def open_sink(name: str, options: Mapping[str, Any]) -> JsonlSink:
    """Return the sink of these options. Raises ServingError where they can't be used."""
    return JsonlSink(name, build(JsonlOptions, options, f"sink {name}"))
