"""The shelves of all streams, and whose frame is next: a batch across streams, in turns by priority, newest first kept.

A stream's turn is worth 1/priority, and the stream that had least goes first (start-time fair queueing, Goyal, Vin and
Cheng 1996), so that under overload each is scored in proportion to its priority, up to what it has, and the rest of it
is shed. Nobody waits for a batch to fill: what waits is taken, of one shape, up to the model's cap. Frames that are too
old are shed before any is taken. It knows no model and no source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from serving.streams.shelf import Frame, Shape, Shelf, ShelfView


@dataclass(frozen=True)
class Batch:
    """Frames of one shape, each with the shelf that it came from. Batches are numbered as they are taken, from 0."""

    number: int
    shelves: tuple[Shelf, ...]
    frames: tuple[Frame, ...]


class Rack:
    """Takes frames from the streams' threads and hands batches to the scorers' threads."""

    def __init__(self, shelves: Iterable[Shelf], clock: Callable[[], float] = time.monotonic) -> None:
        self.shelves = tuple(shelves)
        self._clock = clock
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._room = {shelf.name: threading.Condition(self._lock) for shelf in self.shelves}
        self._is_closed = False
        self._turn = 0.0
        self._batches = 0

    def put(self, shelf: Shelf, frame: Frame) -> bool:
        """Put a frame on its shelf; where the shelf loses nothing, wait for room. Return False once it is closed."""
        with self._lock:
            while shelf.max_age is None and shelf.is_full and not self._is_closed:
                self._room[shelf.name].wait()
            if self._is_closed:
                return False
            if not shelf.waiting:
                shelf.turn = max(shelf.turn, self._turn)  # who had nothing to score has saved no turns up
            shelf.put(frame)
            self._filled.notify()
            return True

    def skip(self, shelf: Shelf) -> None:
        """Count a frame that the stream's own rate has no use for."""
        with self._lock:
            shelf.skip()

    def take(self, cap_of: Callable[[Shape], int]) -> Batch | None:
        """Wait for frames and return those whose turn it is, at most `cap_of` their shape; None at the end of all."""
        with self._lock:
            while True:
                self._expire()
                if first := _next(self.shelves):
                    return self._fill(first, cap_of(first.frames[0].shape))
                if self._is_closed:
                    return None
                self._filled.wait()

    def finish(self, batch: Batch, reason: str | None = None) -> None:
        """Count a batch's frames as scored now, or as shed for a reason."""
        with self._lock:
            now = self._clock()
            for shelf, frame in zip(batch.shelves, batch.frames, strict=True):
                shelf.finish(frame, now, reason)

    def close(self) -> None:
        """Let nothing more in: what waits is scored, whatever its age, and then `take` returns None."""
        with self._lock:
            self._is_closed = True
            for condition in (self._filled, *self._room.values()):
                condition.notify_all()

    def view(self) -> list[ShelfView]:
        """Return what each stream's shelf says at one moment."""
        with self._lock:
            now = self._clock()
            return [shelf.view(now) for shelf in self.shelves]

    def _expire(self) -> None:
        now = self._clock()
        for shelf in () if self._is_closed else self.shelves:
            shelf.expire(now)

    def _fill(self, first: Shelf, cap: int) -> Batch:
        shape = first.frames[0].shape
        pairs = list(self._take(shape, cap))
        for name in {shelf.name for shelf, _ in pairs if shelf.max_age is None}:
            self._room[name].notify()
        self._batches += 1
        if _next(self.shelves):
            self._filled.notify()  # what is left is for another scorer
        return Batch(self._batches - 1, tuple(shelf for shelf, _ in pairs), tuple(frame for _, frame in pairs))

    def _take(self, shape: Shape, cap: int) -> Iterator[tuple[Shelf, Frame]]:
        for _ in range(cap):
            shelf = _next(shelf for shelf in self.shelves if shelf.frames and shelf.frames[0].shape == shape)
            if shelf is None:
                return
            self._turn = shelf.turn
            yield shelf, shelf.take()


def _next(shelves: Iterable[Shelf]) -> Shelf | None:
    return min((shelf for shelf in shelves if shelf.frames), key=lambda shelf: shelf.turn, default=None)
