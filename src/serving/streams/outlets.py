"""Where results, events and drift summaries go: to every sink's outbox, to capture and to drift. It delivers nothing.

None of them makes a scorer wait: an outbox takes a line and delivers it from a thread of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serving.model import Model
from serving.streams.config import StreamsConfig
from serving.streams.outbox import open_outboxes
from serving.streams.result import FrameResult, StreamEvent, to_line
from serving.streams.scorer import Scored

SPOOL = "spool"


class Outbox(Protocol):
    """Takes lines and delivers them to one sink, in order, at least once."""

    @property
    def name(self) -> str:
        """The sink's name."""

    def put(self, line: bytes) -> None:
        """Take a line; it never waits."""

    def counters(self) -> Mapping[str, int]:
        """Return what became of the lines, and how many are `waiting`."""

    def close(self, deadline_s: float) -> None:
        """Deliver what waits until the deadline; what is left is kept on disk."""


class Capture(Protocol):
    """Keeps some frames for retraining."""

    def offer(self, stream: str, frame: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> None:
        """Look at a frame, uint8 RGB [height, width, 3], with its probabilities [classes]; it never waits."""

    def close(self) -> None:
        """Write what waits."""


class Drift(Protocol):
    """Compares frames and logits with the package's reference."""

    def update(self, stream: str, frame: NDArray[np.uint8], logits: NDArray[np.float32]) -> None:
        """Take in a frame, uint8 RGB [height, width, 3], with its logits [classes]."""

    def summary(self) -> Sequence[Mapping[str, Any]]:
        """Return what was seen since the last summary, numbers only, a mapping a stream."""


@dataclass(frozen=True)
class Outlets:
    """All that is told of what was seen. `digest` and `variant` name the model."""

    digest: str
    variant: str
    outboxes: Sequence[Outbox] = ()
    capture: Capture | None = None
    drift: Drift | None = None

    def put(self, message: FrameResult | StreamEvent | Mapping[str, Any]) -> None:
        """Send a message to every sink."""
        line = to_line(message)
        for outbox in self.outboxes:
            outbox.put(line)

    def deliver(self, scored: Scored) -> None:
        """Send the results of a batch, and show its frames to capture and drift."""
        prediction = scored.prediction
        for row, (shelf, frame) in enumerate(zip(scored.batch.shelves, scored.batch.frames, strict=True)):
            probabilities = prediction.probabilities[row]
            age, score = (scored.time - frame.arrived) * 1000, float(probabilities.max())
            label = prediction.labels[row]
            self.put(
                FrameResult(shelf.name, frame.sequence, frame.captured, age, label, score, self.digest, self.variant)
            )
            if self.capture is not None:
                self.capture.offer(shelf.name, scored.frames[row], probabilities)
            if self.drift is not None:
                self.drift.update(shelf.name, scored.frames[row], prediction.logits[row])

    def counters(self) -> dict[str, Mapping[str, int]]:
        """Return what each sink did with its lines, by the sink's name."""
        return {outbox.name: outbox.counters() for outbox in self.outboxes}

    def summarise(self) -> None:
        """Send a drift summary, where drift is looked at."""
        for summary in self.drift.summary() if self.drift is not None else ():
            self.put(summary)

    def close(self, deadline_s: float) -> None:
        """Send the last summary and let every outlet finish."""
        self.summarise()
        for outbox in self.outboxes:
            outbox.close(deadline_s)
        if self.capture is not None:
            self.capture.close()


def open_outlets(config: StreamsConfig, model: Model) -> Outlets:
    """Open every sink that the configuration names. Raises ServingError where one's options can't be used."""
    outboxes = open_outboxes(config.sinks, config.out / SPOOL, config.spool)
    return Outlets(model.digest, model.variant, outboxes)
