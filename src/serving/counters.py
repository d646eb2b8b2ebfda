"""What one deployment did in one worker process, counted for GET /metrics. Touched by the event loop's thread only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SHED_REASONS = ("deadline", "overload", "expired")


@dataclass(slots=True)
class Counters:
    """Requests that succeeded and failed, frames scored, executions of the model, and sums of microseconds."""

    success: int = 0
    failure: int = 0
    frames: int = 0
    executions: int = 0
    request_us: float = 0.0
    queue_us: float = 0.0
    decode_us: float = 0.0
    infer_us: float = 0.0
    output_us: float = 0.0
    pending: int = 0
    shed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHED_REASONS, 0))
    agreements: int = 0
    disagreements: int = 0

    def answered(self, frames: int, request: float, queue: float, decode: float, infer: float, output: float) -> None:
        """Add a request that was answered: its frames, and the seconds of each part of its way."""
        self.success += 1
        self.frames += frames
        self.request_us += request * 1e6
        self.queue_us += queue * 1e6
        self.decode_us += decode * 1e6
        self.infer_us += infer * 1e6
        self.output_us += output * 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)
