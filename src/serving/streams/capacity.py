"""What a model can do with the streams' frames: its batch curve by frame size, measured once each, when a source opens.

The package's own curve is of the frames that it was trained on; a camera's are larger, and cost more. No other stream
stands still meanwhile: the thread that measures counts its own CPU time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from serving.curve import SIZES, BatchCurve, Run, measure
from serving.streams.shelf import Shape

BATCH_SECONDS = 0.02  # half a frame interval at 25 a second: the age of results is bounded by two
BATCH_BYTES = 32 * 2**20  # of frames, for each scorer
BUDGET_SECONDS = 0.1  # a core that the other streams lack; enough to compare batches of up to BATCH_SECONDS


class Capacity:
    """The curves of one model, by the height and width of frames. Safe to share between threads."""

    def __init__(self, run: Run, scorers: int) -> None:
        self._run = run
        self._scorers = scorers
        self._lock = threading.Lock()
        self._curves: dict[Shape, BatchCurve] = {}
        self._caps: dict[Shape, int] = {}

    def cap(self, shape: Shape) -> int:
        """Return how many frames to score together at most; one at a time while that is not measured."""
        return self._caps.get(shape, 1)

    def learn(self, shape: Shape) -> None:
        """Measure the curve of a size, once. Raises what the model raises on it."""
        with self._lock:
            if shape not in self._curves:
                sizes = [size for size in SIZES if size * shape[0] * shape[1] * 3 <= BATCH_BYTES]
                curve = measure(self._run, (*shape, 3), sizes or SIZES[:1], BUDGET_SECONDS)
                self._curves[shape], self._caps[shape] = curve, bounded_cap(curve)

    def knows(self, shape: Shape) -> bool:
        """Tell whether a size was measured."""
        return shape in self._curves

    def frames_per_second(self, shapes: Iterable[Shape], other_seconds: float) -> float | None:
        """Return how many frames a second all cores can do, of these sizes in equal parts; None while none is known.

        `other_seconds` is the CPU time that goes into a frame beside the model's.
        """
        known = [self._curves[shape] for shape in shapes if shape in self._curves]
        seconds = [curve.seconds[bounded_cap(curve)] / bounded_cap(curve) for curve in known]
        return self._scorers / (sum(seconds) / len(seconds) + other_seconds) if seconds else None


def bounded_cap(curve: BatchCurve) -> int:
    """Return the curve's cap, or the largest batch below it that keeps to BATCH_SECONDS; one frame at the least."""
    sizes = [size for size, seconds in curve.seconds.items() if size <= curve.cap and seconds <= BATCH_SECONDS]
    return max(sizes, default=1)
