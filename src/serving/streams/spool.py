"""A queue of lines on disk, bounded, that a kill at any moment leaves usable. It knows no sink and no line's meaning.

FOLDER/0000000001.lines and so on are segments: lines one after another, the oldest first. FOLDER/position.json says up
to where they have been acknowledged. A segment that is done with is removed; when the limit is reached, the oldest one
is shed. A line that a kill tore is cut off when the spool is opened. One thread at a time uses it, and one process: a
lock on FOLDER/lock holds that.

A power cut may take the last seconds of lines, which the system had not yet written, and never the queue's order.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile
from pathlib import Path

from serving.errors import ServingError
from serving.files import write_json
from serving.streams.lines import append, open_whole

SEGMENTS = 16  # so a full spool sheds a sixteenth of itself at a time
POSITION = "position.json"
SUFFIX = ".lines"


@dataclass(frozen=True, order=True)
class Position:
    """A place in the queue: a segment's number and an offset in it, in bytes."""

    segment: int
    offset: int


@dataclass
class _Segment:
    size: int
    lines: int  # that are not acknowledged


class Spool:
    """The queue in one folder. `shed` counts the lines that found no room, `torn` those that a kill tore."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Open the queue, or make one, of at most `limit` bytes. Raises ServingError where another process has it."""
        self.shed = self.torn = 0
        self._folder, self._limit = folder, limit
        self._file: int | None = None
        self._lock = _take(folder)
        self._position = _read_position(folder / POSITION)
        self._segments = self._read_segments()
        if self._position.segment not in self._segments:
            self._position = Position(min(self._segments, default=self._position.segment + 1), 0)

    def __len__(self) -> int:
        """Return how many lines wait. Any thread may ask."""
        return sum(segment.lines for segment in tuple(self._segments.values()))

    @property
    def size(self) -> int:
        """Return the size of the files, in bytes."""
        return sum(segment.size for segment in self._segments.values())

    def append(self, lines: Sequence[bytes]) -> int:
        r"""Add lines, each with its one "\n" at the end, and return how many: fewer where the disk takes no more.

        Lines that are larger than the limit are shed, and counted as added.
        """
        rest = deque(lines)
        with contextlib.suppress(OSError):
            while rest:
                self._fill(rest)
        return len(lines) - len(rest)

    def read(self, lines: int, size: int) -> tuple[list[bytes], Position]:
        """Return the oldest lines that wait, and the place after them: to acknowledge once they have arrived.

        They are of one segment, at most `lines` and, where the first one is not larger by itself, `size` bytes. A
        segment that somebody removed is shed. Raises OSError where the disk can't be read.
        """
        for number, segment in list(self._segments.items()):
            start = self._start(number)
            if segment.lines and (found := self._read_lines(number, start, size)[:lines]):
                return found, Position(number, start + sum(map(len, found)))
            if segment.lines:
                self.shed += segment.lines
                self._remove(number)
        return [], self.end

    def acknowledge(self, position: Position) -> None:
        """Let go of everything before a place. Nothing happens where it was let go of, or shed, before."""
        if position <= self._position or position.segment not in self._segments:
            return
        segment = self._segments[position.segment]
        segment.lines -= self._count(position.segment, self._start(position.segment), position.offset)
        self._position = position if segment.lines else Position(position.segment + 1, 0)
        # A full disk must not stop what empties it: at worst the lines come twice, after a restart.
        with contextlib.suppress(OSError):
            write_json(self._folder / POSITION, {"segment": self._position.segment, "offset": self._position.offset})
        for number in [number for number in self._segments if number < self._position.segment]:
            self._remove(number)

    def close(self) -> None:
        """Close the files; another process may then open the queue."""
        self._end_segment()
        os.close(self._lock)

    def _start(self, number: int) -> int:
        return self._position.offset if number == self._position.segment else 0

    @property
    def end(self) -> Position:
        """Return the place after the last line."""
        last = next(reversed(self._segments), None)
        return self._position if last is None else Position(last, self._segments[last].size)

    def _fill(self, rest: deque[bytes]) -> None:
        """Move lines from the front of `rest` to the last segment, as many as it takes, or to a new one."""
        if len(rest[0]) > self._limit:
            rest.popleft()
            self.shed += 1
            return
        room = 0 if self._file is None else self._limit // SEGMENTS - self.end.offset
        if len(rest[0]) > room:
            room = self._begin_segment(len(rest[0]))
        count = sum(1 for _ in takewhile(lambda size: size <= room, accumulate(map(len, rest))))
        self._write(list(islice(rest, count)))
        for _ in range(count):
            rest.popleft()

    def _begin_segment(self, size: int) -> int:
        """Begin a segment that has room for so many bytes, shed old ones where it needs theirs; return its room."""
        self._end_segment()
        wanted = max(size, self._limit // SEGMENTS)
        while self._segments and self.size + wanted > self._limit:
            oldest = next(iter(self._segments))
            self.shed += self._segments[oldest].lines
            self._remove(oldest)
        number = max(self._position.segment, self.end.segment + 1)
        self._file, _ = open_whole(self._path(number))
        self._segments[number] = _Segment(0, 0)
        return wanted

    def _write(self, lines: Sequence[bytes]) -> None:
        assert self._file is not None
        content = b"".join(lines)
        append(self._file, content)
        last = self._segments[next(reversed(self._segments))]
        last.size += len(content)
        last.lines += len(lines)

    def _remove(self, number: int) -> None:
        if number == next(reversed(self._segments)):
            self._end_segment()
        with contextlib.suppress(OSError):  # one that stays is looked at when the spool is opened again
            self._path(number).unlink(missing_ok=True)
        del self._segments[number]
        self._position = max(self._position, Position(number + 1, 0))

    def _end_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:010d}{SUFFIX}"

    def _read_lines(self, number: int, start: int, size: int) -> list[bytes]:
        if not self._path(number).exists():
            return []
        with self._path(number).open("rb") as file:
            file.seek(start)
            content = file.read(size)
            if not content.endswith(b"\n"):
                end = content.rfind(b"\n") + 1
                content = content[:end] if end else content + file.readline()
        return [line + b"\n" for line in content.split(b"\n")[:-1]]

    def _count(self, number: int, start: int, end: int) -> int:
        if not self._path(number).exists():
            return 0
        with self._path(number).open("rb") as file:
            file.seek(start)
            return file.read(end - start).count(b"\n")

    def _read_segments(self) -> OrderedDict[int, _Segment]:
        segments: OrderedDict[int, _Segment] = OrderedDict()
        for path in sorted(self._folder.glob("[0-9]" * 10 + SUFFIX)):
            number = int(path.stem)
            if number < self._position.segment:
                path.unlink()
                continue
            file, torn = open_whole(path)
            os.close(file)
            self.torn += torn > 0
            size = path.stat().st_size
            segments[number] = _Segment(size, self._count(number, self._start(number), size))
        return segments


def _take(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ServingError(f"spool: {folder}: {error.strerror}: give a folder that can be written") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise ServingError(f"spool: {folder} is another process's: give each its own `out`") from None
    return file


def _read_position(path: Path) -> Position:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Position(int(content["segment"]), int(content["offset"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Position(1, 0)  # none yet; or lost with the disk: what waits is sent again rather than not at all
