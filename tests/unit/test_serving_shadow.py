"""A shadow's labels are compared with the answered ones, and counted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from serving.counters import Counters
from serving.model import Prediction
from serving.shadow import compare

CLASSES = ("red", "green", "blue")


def prediction(*best: int) -> Prediction:
    """Return a prediction of these classes."""
    return Prediction(np.eye(3, dtype=np.float32)[list(best)], CLASSES)


def test_each_frame_agrees_or_not() -> None:
    counters = Counters()
    compare(prediction(0, 1, 2), counters)(SimpleNamespace(prediction=prediction(0, 2, 1)))
    compare(prediction(0), counters)(SimpleNamespace(prediction=prediction(0)))
    assert (counters.agreements, counters.disagreements) == (2, 2)


def test_frames_that_a_shadow_fails_on_are_its_failures_and_neither() -> None:
    counters = Counters()
    compare(prediction(0, 1), counters)(SimpleNamespace(prediction=None))
    assert (counters.agreements, counters.disagreements, counters.shadow_failures) == (0, 0, 2)
    assert (counters.failure, counters.broken) == (0, 0), "no request failed"
