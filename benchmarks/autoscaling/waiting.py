"""What becomes of the frames of one second: scored, waiting, or lost; and how old a result is. Arrays by site.

It is the edge runtime's queue (serving.scheduler), bounded by time: a frame that would wait longer than `patience` is
refused when it comes. Frames flow like water, evenly within a second, and for that the solution is exact: what waits
rises or falls in a straight line until it is nothing or all that there is room for. A site's replicas are one pool,
which takes a balancer that knows who is free. Where none is ready a frame waits at its sender, which keeps the newest
`patience` seconds of frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.autoscaling.arrays import Array

AGE_BIN = 0.02  # seconds
AGE_BINS = 200
MOMENTS = np.array([[1 / 6], [3 / 6], [5 / 6]])  # of a second, at which ages are read: the middles of its thirds


@dataclass(frozen=True)
class Second:
    """One second at each site: frames scored, lost and left waiting; `ages` counts accepted frames by AGE_BIN."""

    scored: Array
    lost: Array
    waiting: Array
    ages: Array


def pass_second(waiting: Array, coming: Array, capacity: Array, patience: float, service: float) -> Second:
    """Return what one second does to the frames that were `waiting` and those `coming`.

    `capacity` is the frames a second that all ready replicas score, `service` the seconds that one frame takes.
    """
    room = np.where(capacity > 0, capacity, coming) * patience
    left = np.maximum(waiting + coming - capacity, 0)
    after = np.minimum(left, room)
    lost = left - after
    # Frames ahead of one that comes at each of the moments: on the straight line from before to after, at most `room`.
    ahead = np.clip(waiting + MOMENTS * (coming - capacity), 0, room)
    accepted = np.maximum(coming - lost, 0)
    return Second(waiting + coming - lost - after, lost, after, _ages(ahead, accepted, capacity, (patience, service)))


def percentile(ages: Array, share: float) -> float:
    """Return the age in seconds below which a share, 0 to 1, of the counted frames is; 0 where none is counted."""
    total = ages.sum()
    return float((np.searchsorted(ages.cumsum(), total * share) + 1) * AGE_BIN) if total else 0.0


def _ages(ahead: Array, accepted: Array, capacity: Array, times: tuple[float, float]) -> Array:
    patience, service = times
    wait = np.where(capacity > 0, ahead / np.maximum(capacity, 1e-9), patience)
    bins = ((np.minimum(wait, patience) + service) / AGE_BIN).astype(np.int64)
    weights = np.broadcast_to(accepted / len(MOMENTS), bins.shape)
    return np.bincount(np.minimum(bins, AGE_BINS - 1).ravel(), weights.ravel(), AGE_BINS).astype(np.float64)
