"""Tells a picture that stands still, is black or changed its size from a good one. Pure: times are given to it.

Frozen is meant as FFmpeg's filter freezedetect means it: against the picture that it stands still since, pixels differ
by less than a thousandth in the mean, which a live sensor's noise exceeds and a keyframe of the same picture does not.
Every eighth row is looked at, four times a second: 0.1 ms for 640x360, so that it is on for every stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

CHECK_SECONDS = 0.25
ROW_STEP = 8
STILL_LEVELS = 0.255  # of 255: freezedetect's default
BLACK_LEVEL = 32  # of 255; the black of video is 16
BLACK_SHARE = 0.99  # of the pixels: a clock drawn into the picture does not make it a good one

FROZEN, BLACK = "frozen", "black"


@dataclass
class Health:
    """What is wrong with a stream's pictures. A fault is known from when it lasted its seconds until it is over."""

    frozen_seconds: float
    black_seconds: float
    known: set[str] = field(default_factory=set)
    size: tuple[int, int] | None = None  # width, height
    _still: NDArray[np.uint8] | None = None
    _connected: float = 0.0
    _changed: float = 0.0
    _bright: float = 0.0
    _due: float = 0.0

    @property
    def well_seconds(self) -> float:
        """Return for how long since `connect` there were good pictures: up to the last that was new and not black."""
        return min(self._changed, self._bright) - self._connected

    def connect(self, now: float) -> None:
        """Start the clocks anew: a source that was just opened has its time to become well."""
        self._connected = self._changed = self._bright = now

    def is_due(self, now: float) -> bool:
        """Tell whether to look again at a moment of the monotonic clock."""
        return now >= self._due

    def see(self, rows: NDArray[np.uint8], now: float) -> set[str]:
        """Take in some rows of a picture and return the faults that have lasted their seconds."""
        self._due = now + CHECK_SECONDS
        if not is_still(self._still, rows):
            self._still, self._changed = rows, now
            self.known.discard(FROZEN)
        if not is_black(rows):
            self._bright = now
            self.known.discard(BLACK)
        lasted = {FROZEN: now - self._changed >= self.frozen_seconds, BLACK: now - self._bright >= self.black_seconds}
        return {name for name, has_lasted in lasted.items() if has_lasted}

    def resize(self, size: tuple[int, int]) -> str | None:
        """Take in a picture's width and height and return, where they changed, from what to what."""
        before, self.size = self.size, size
        return None if before in (None, size) else f"from {_words(before)} to {_words(size)}"


def is_still(before: NDArray[np.uint8] | None, rows: NDArray[np.uint8]) -> bool:
    """Tell whether rows, uint8 [n, width], are those before."""
    if before is None or before.shape != rows.shape:
        return False
    return float(np.abs(np.subtract(rows, before, dtype=np.int16)).mean()) < STILL_LEVELS


def is_black(rows: NDArray[np.uint8]) -> bool:
    """Tell whether nearly all pixels of rows, uint8 [n, width], are black."""
    return bool(np.count_nonzero(rows <= BLACK_LEVEL) >= BLACK_SHARE * rows.size)


def some_rows(picture: VideoFrame) -> NDArray[np.uint8]:
    """Return the brightness of some rows of a picture, uint8 [n, width], in memory of its own."""
    name = picture.format.name
    if not name.startswith(("yuv4", "yuvj4", "nv1", "nv2", "gray")) or picture.format.components[0].bits != 8:
        picture = picture.reformat(format="gray", threads=1)
    plane = picture.planes[0]
    rows = np.ndarray((picture.height, picture.width), np.uint8, memoryview(plane), strides=(plane.line_size, 1))
    return rows[::ROW_STEP].copy()


def _words(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))
