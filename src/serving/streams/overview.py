"""How all streams are at one moment, as status.json, the metrics and the line on a terminal show it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.streams.shelf import ShelfView


@dataclass(frozen=True)
class StreamView:
    """One stream: its camera's state, how often it was opened, how many packets were left undecoded, its shelf."""

    state: str
    detail: str
    connections: int
    late: int
    shelf: ShelfView


@dataclass(frozen=True)
class OutletsView:
    """What became of the lines to each sink, of captured frames, and of frames by the shadow."""

    sinks: Mapping[str, Mapping[str, int]]
    capture: Mapping[str, int]
    disagreements: int
    shadow_failures: int = 0


@dataclass(frozen=True)
class Overview:
    """All streams. `fps` is the frames scored a second; `busy` and `cpu` are shares, 0..1, of the scorers' time that
    went into batches and of the cores that this process took: in the last second, at the end in the whole run.

    `capacity_fps` is what all cores could do of such frames, `score_ms` what the model took for each.
    """

    time: float
    streams: tuple[StreamView, ...]
    fps: float
    busy: float
    cpu: float
    capacity_fps: float | None
    outlets: OutletsView
    score_ms: tuple[float | None, float | None]  # 50th and 95th percentile of the last thousand batches

    @property
    def waiting(self) -> int:
        """Return how many frames have no result yet."""
        return sum(stream.shelf.waiting for stream in self.streams)

    @property
    def oldest(self) -> float:
        """Return the seconds that the oldest frame has waited."""
        return max((stream.shelf.oldest for stream in self.streams), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Return what status.json says."""
        return {
            "time": self.time,
            "fps": self.fps,
            "busy": self.busy,
            "cpu": self.cpu,
            "capacity_fps": self.capacity_fps,
            "score_ms_p50": self.score_ms[0],
            "score_ms_p95": self.score_ms[1],
            "waiting": self.waiting,
            "oldest_age_ms": self.oldest * 1000,
            "sinks": {name: dict(counts) for name, counts in self.outlets.sinks.items()},
            "capture": dict(self.outlets.capture),
            "disagreements": self.outlets.disagreements,
            "shadow_failures": self.outlets.shadow_failures,
            "streams": {stream.shelf.name: _stream(stream) for stream in self.streams},
        }

    def line(self) -> str:
        """Return the line for a terminal."""
        well = sum(stream.state in ("live", "ended", "stopped") for stream in self.streams)
        shed = sum(stream.shelf.counts.shed.total() for stream in self.streams)
        capacity = "" if self.capacity_fps is None else f", capacity {self.capacity_fps:.0f}"
        return (
            f"{self.fps:.0f} frames/s, {self.waiting} waiting, oldest {self.oldest * 1000:.0f} ms, "
            f"busy {self.busy:.0%}, shed {shed}{capacity}, {well} of {len(self.streams)} streams well"
        )


@dataclass
class Meter:
    """Turns counts that grow into rates, from one reading to the next."""

    cores: int
    _time: float = 0.0
    _values: tuple[float, ...] = ()

    def read(self, scored: int, busy: float) -> tuple[float, float, float]:
        """Return frames a second and the shares of the scorers' and of all cores' time, since the last reading."""
        now, values = time.monotonic(), (float(scored), busy, time.process_time())
        before, self._values = self._values or values, values
        seconds, self._time = max(now - (self._time or now), 1e-9), now
        scored_more, busy_more, cpu_more = (new - old for new, old in zip(values, before, strict=True))
        return scored_more / seconds, min(busy_more / seconds / self.cores, 1.0), cpu_more / seconds / self.cores


def _stream(stream: StreamView) -> dict[str, Any]:
    shelf, counts = stream.shelf, stream.shelf.counts
    return {
        "state": stream.state,
        "detail": stream.detail,
        "connections": stream.connections,
        "late": stream.late,
        "decoded": counts.decoded,
        "skipped": counts.skipped,
        "scored": counts.scored,
        "shed": dict(counts.shed),
        "waiting": shelf.waiting,
        "age_bound_ms": None if shelf.max_age is None else 2000 * shelf.max_age,
        "oldest_age_ms": shelf.oldest * 1000,
        "age_ms_p50": shelf.ages.milliseconds(50),
        "age_ms_p99": shelf.ages.milliseconds(99),
    }
