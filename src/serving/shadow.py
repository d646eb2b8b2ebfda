"""Whether a shadow agrees with the version that answered, or fails: counted, and never told to the client. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from serving.counters import Counters
from serving.model import Prediction


class Shadowed(Protocol):
    """The shadow's work on the frames of a live request, once it is done."""

    prediction: Prediction | None


def compare(live: Prediction, counters: Counters) -> Callable[[Shadowed], None]:
    """Return what counts, once the shadow's work is done, on how many frames its label is the live one.

    Frames that the shadow fails on are neither, for they have no label: they count as its failures.
    """

    def done(work: Shadowed) -> None:
        if work.prediction is None:
            counters.shadow_failures += len(live.labels)
            return
        agreed = sum(one == other for one, other in zip(live.labels, work.prediction.labels, strict=True))
        counters.agreements += agreed
        counters.disagreements += len(live.labels) - agreed

    return done
