"""One piece of work for a model, and how several are done together. Pure but for the clock; runs in any thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.deployments import Deployment
from serving.model import Model, Prediction

Frames = NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class Work:
    """Frames to score by one deployment, and what came of it: a prediction, or the error instead.

    `frames` are uint8 RGB [count, height, width, 3]; where they are None, `read` returns them or raises RequestError,
    and `is_quick` says that this takes far less than a millisecond. `pixels` are those of all its frames. Times are
    seconds, of time.monotonic() where they are moments. `done` is called on the event loop's thread.
    """

    deployment: Deployment
    arrived: float
    frames: Frames | None = None
    read: Callable[[], Frames] | None = None
    count: int = 1
    is_quick: bool = True
    pixels: int = 0
    done: Callable[[Work], None] = lambda work: None
    deadline: float = math.inf
    expected: float = 0.0
    started: float = 0.0
    read_seconds: float = 0.0
    infer_seconds: float = 0.0
    prediction: Prediction | None = None
    error: Exception | None = None


def execute(model: Model, batch: Sequence[Work]) -> None:
    """Read and score a batch for one model: frames of one shape together. Outcomes are put into each Work."""
    for work in batch:
        _read(work)
    if len(batch) == 1:
        if batch[0].frames is not None:
            _predict(model, [batch[0]])
        return
    good = [work for work in batch if work.frames is not None]
    for group in _by_shape(good, model.curve.frame_shape):
        _predict(model, group)


def _read(work: Work) -> None:
    work.started = time.monotonic()
    if work.read is None:
        return
    try:
        work.frames = work.read()
    except Exception as error:  # a RequestError, or a defect that must not fail those beside it
        work.error = error
    work.read_seconds = time.monotonic() - work.started


def _by_shape(batch: Sequence[Work], measured: tuple[int, ...] | None) -> Iterable[list[Work]]:
    """Yield what is worth scoring together: frames of the shape whose batches were measured; others one by one."""
    groups: dict[object, list[Work]] = {}
    for work in batch:
        assert work.frames is not None
        shape = work.frames.shape[1:]
        groups.setdefault(shape if measured is None or shape == measured else work, []).append(work)
    return groups.values()


def _predict(model: Model, group: list[Work]) -> None:
    start = time.monotonic()
    frames = [work.frames for work in group if work.frames is not None]
    try:
        prediction = model.predict(frames[0] if len(frames) == 1 else np.concatenate(frames))
    except Exception as error:  # the model's fault, whatever it is
        _predict_alone(model, group, error)
        return
    seconds, offset = time.monotonic() - start, 0
    for work in group:
        count = len(work.frames) if work.frames is not None else 0
        work.prediction = prediction.rows(offset, offset + count) if len(group) > 1 else prediction
        work.infer_seconds = seconds
        offset += count


def _predict_alone(model: Model, group: list[Work], error: Exception) -> None:
    # A frame that the model fails on must not fail those that happened to wait beside it.
    if len(group) == 1:
        group[0].error = error
        return
    for work in group:
        _predict(model, [work])
