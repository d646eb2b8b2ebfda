"""Where results, events and drift summaries go: to every sink's outbox, to capture and to drift. It delivers nothing.

None of them makes a scorer wait: an outbox takes a line and delivers it from a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.model import Model
from serving.streams.capture import Capture
from serving.streams.config import StreamsConfig
from serving.streams.drift import Drift
from serving.streams.outbox import Outbox, open_outboxes
from serving.streams.overview import OutletsView
from serving.streams.result import FrameResult, StreamEvent, to_line
from serving.streams.scorer import Scored

SPOOL = "spool"
CAPTURE_FILE = "capture.json"  # what is left of the hour
LOOK_SECONDS = 0.2  # how often drift looks at a stream: a look takes 0.3 ms, and a minute of such looks says enough


@dataclass
class Outlets:
    """All that is told of what was seen. `digest` and `variant` name the model.

    `disagreements` counts the frames of which the shadow said something else, `shadow_failures` those it failed on.
    """

    digest: str
    variant: str
    outboxes: Sequence[Outbox] = ()
    capture: Capture | None = None
    drift: Drift | None = None
    drift_seconds: float = 60.0
    say: Callable[[StreamEvent], None] = lambda event: None
    disagreements: int = 0
    shadow_failures: int = 0
    _due: float = 0.0
    _looked: dict[str, float] = field(default_factory=dict)

    def put(self, message: FrameResult | StreamEvent | Mapping[str, Any]) -> None:
        """Send a message to every sink; an event is said here, too."""
        if isinstance(message, StreamEvent):
            self.say(message)
        line = to_line(message)
        for outbox in self.outboxes:
            outbox.put(line)

    def show(self, scored: Scored) -> None:
        """Show a batch's frames to capture and drift, from any thread and in any order."""
        prediction = scored.prediction
        for row, shelf in enumerate(scored.batch.shelves):
            if self.capture is not None:
                disagrees = scored.disagrees[row] if scored.disagrees else False
                self.capture.offer(shelf.name, scored.frames[row], prediction.probabilities[row], disagrees)
            if self.drift is not None and scored.time >= self._looked.get(shelf.name, 0.0) + LOOK_SECONDS:
                self._looked[shelf.name] = scored.time
                self.drift.update(shelf.name, scored.frames[row], prediction.logits[row])

    def deliver(self, scored: Scored) -> None:
        """Send the results of a batch. For one thread at a time."""
        self.disagreements += sum(scored.disagrees or ())
        self.shadow_failures += len(scored.frames) if scored.disagrees is None else 0
        scores = scored.prediction.probabilities.max(axis=1).tolist()
        of_each = zip(scored.batch.shelves, scored.batch.frames, scored.prediction.labels, scores, strict=True)
        for shelf, frame, label, score in of_each:
            age = (scored.time - frame.arrived) * 1000
            told = (shelf.name, frame.sequence, frame.captured, age, label, score, self.digest, self.variant)
            self.put(FrameResult(*told))

    def view(self) -> OutletsView:
        """Return what became of lines and frames so far."""
        sinks = {outbox.name: outbox.counters() for outbox in self.outboxes}
        capture = self.capture.counters() if self.capture else {}
        return OutletsView(sinks, capture, self.disagreements, self.shadow_failures)

    def tick(self, now: float) -> None:
        """Send a drift summary where one is due, at a time in seconds since 1970."""
        if now >= self._due:
            if self._due:
                self._summarise()
            self._due = now + self.drift_seconds

    def close(self, deadline_s: float) -> None:
        """Send the last summary and let every outlet finish."""
        self._summarise()
        for outbox in self.outboxes:
            outbox.close(deadline_s)
        if self.capture is not None:
            self.capture.close()

    def _summarise(self) -> None:
        for summary in self.drift.summary() if self.drift is not None else ():
            self.put(summary)


def open_outlets(config: StreamsConfig, model: Model) -> Outlets:
    """Open every sink that the configuration names. Raises ServingError where one's options can't be used."""
    outboxes = open_outboxes(config.sinks, config.out / SPOOL, config.spool)
    capture = Capture(config.capture, model, config.out / CAPTURE_FILE) if config.capture else None
    if config.drift is None:
        return Outlets(model.digest, model.variant, outboxes, capture)
    drift = Drift(model.reference, model.labels)
    return Outlets(model.digest, model.variant, outboxes, capture, drift, config.drift.every_seconds)
