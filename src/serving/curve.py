"""The batch curve of a model: how long it takes for 1, 2, 4, ... frames at once, and how many are worth a batch.

Small models gain by a batch, large ones lose by it, so it is measured where the model runs and not assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZES = (1, 2, 4, 8, 16, 32)
BUDGET_SECONDS = 0.3
QUICK_SECONDS = 0.002  # a model that takes longer would hold up the event loop: health checks, reading, refusing
GAIN = 0.05  # a smaller part of the time per frame is within what a busy machine makes of it, and not worth a wait
ROUNDS = 60  # some 20 ms for a fast model: longer than what else a machine does in between
BATCH_SECONDS = 40e-6  # what a batch costs the server beside the model: the larger it is, the more frames share it

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Scale = Mapping[int, float]


@dataclass(frozen=True)
class BatchCurve:
    """`seconds` is what a batch of each measured size takes at best; `cap` is how many frames to score together.

    `frame_shape` is [height, width, 3] of the frames that were measured, None where the curve is true of any: what
    gains by a batch of small frames may lose by one of large ones.
    """

    seconds: Mapping[int, float]
    cap: int
    frame_shape: tuple[int, ...] | None = None

    def single(self) -> float:
        """Return the seconds that one frame alone takes."""
        return self.seconds[1]


def measure(
    run: Run, frame_shape: Sequence[int], sizes: Sequence[int] = SIZES, budget_seconds: float = BUDGET_SECONDS
) -> BatchCurve:
    """Measure a model on frames of [height, width, 3] within about the budget; a slow one is run once, on one frame.

    Sizes double until a frame costs no less by it. `sizes` starts with 1. Raises what `run` raises.
    """
    frames = np.zeros((max(sizes), *frame_shape), np.uint8)
    deadline = time.perf_counter() + budget_seconds
    seconds = {sizes[0]: _seconds(run, frames[: sizes[0]])}
    for known, size in zip(sizes, sizes[1:], strict=False):
        share = (deadline - time.perf_counter()) / 2
        if seconds[known] + size / known * seconds[known] > share:
            break
        _compare(run, frames, (known, size), seconds, share)
        if _per_frame(seconds, size) > _per_frame(seconds, known) * (1 - GAIN):
            break
    return BatchCurve(seconds, choose_cap(seconds), tuple(frame_shape))


def choose_cap(seconds: Mapping[int, float]) -> int:
    """Return the smallest batch size whose time per frame is within GAIN of the best."""
    best = min(_per_frame(seconds, size) for size in seconds)
    return min(size for size in seconds if _per_frame(seconds, size) <= best * (1 + GAIN))


def _per_frame(seconds: Mapping[int, float], size: int) -> float:
    return (seconds[size] + BATCH_SECONDS) / size


def _compare(
    run: Run, frames: NDArray[np.uint8], sizes: tuple[int, int], seconds: dict[int, float], share: float
) -> None:
    # In turns, so that what else the machine does meets both; the best of each is the model's own time.
    end = time.perf_counter() + share
    for done in range(ROUNDS):
        if done and time.perf_counter() > end:
            break
        for size in sizes:
            seconds[size] = min(seconds.get(size, float("inf")), _seconds(run, frames[:size]))


def _seconds(run: Run, frames: NDArray[np.uint8]) -> float:
    # This thread's own time of the processor, as the engines run in it: what else this process and the machine do
    # meanwhile must not shape the curve.
    start = time.thread_time()
    run(frames)
    return time.thread_time() - start
