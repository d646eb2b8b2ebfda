"""What one deployment did in one worker process, counted for GET /metrics. Touched by the event loop's thread only."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

MICROSECONDS = 1e6
REJECTED, BROKEN = 503, 500
SHED_REASONS = ("deadline", "overload", "expired")
# Upper ends of the histogram of a request's time in the server, in seconds; above the last one is infinity.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class Counters:
    """Requests that succeeded and failed, frames scored, executions of the model, and sums of microseconds.

    Of the failed ones, `rejected` came when there was too much to do and `broken` met a model that failed.
    """

    success: int = 0
    failure: int = 0
    rejected: int = 0
    broken: int = 0
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
    shadow_failures: int = 0
    times: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def answered(self, frames: int, request: float, queue: float, decode: float, infer: float, output: float) -> None:
        """Count a request that was answered: its frames, and the seconds of the whole and of its parts."""
        self.success += 1
        self.frames += frames
        self.request_us += request * MICROSECONDS
        self.queue_us += queue * MICROSECONDS
        self.decode_us += decode * MICROSECONDS
        self.infer_us += infer * MICROSECONDS
        self.output_us += output * MICROSECONDS
        self.times[bisect_left(BUCKETS, request)] += 1

    def failed(self, status: int) -> None:
        """Count a request that was answered with an HTTP status of an error."""
        self.failure += 1
        self.rejected += status == REJECTED
        self.broken += status == BROKEN

    def to_json(self) -> dict[str, Any]:
        """Return the counts by name; `times` by the upper end of each bucket, each request in one bucket only."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name not in ("shed", "times")}
        ends = (*(f"{end:g}" for end in BUCKETS), "+Inf")
        return {**counts, "shed": dict(self.shed), "times": dict(zip(ends, self.times, strict=True))}
