"""What was measured: samples, written after each cell, so that a sweep that was killed goes on where it was.

One JSON file. It knows nothing of how a figure came about.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BARE = "bare"


@dataclass(frozen=True)
class Sample:
    """One participant in one round: answers a second, and, of one answer, processor milliseconds and latencies.

    `failures` are requests without a good answer; `generator_us` is wrk's own processor time a request. Of bare ONNX
    Runtime only rate and cpu_ms are known.
    """

    rate: float
    cpu_ms: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    failures: int = 0
    generator_us: float = 0.0


Round = dict[str, Sample]


@dataclass(frozen=True)
class Span:
    """A figure over the rounds: its median and its range."""

    median: float
    low: float
    high: float

    def overlaps(self, other: Span) -> bool:
        """Tell whether the ranges overlap: a tie."""
        return self.low <= other.high and other.low <= self.high


@dataclass
class Results:
    """A sweep. `facts` are of machine and versions, `left_out` the servers that could not run, with the reason,
    `cells` the rounds of the closed-loop cells, `extras` the figures of the others.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    cells: dict[str, list[Round]] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    finished: bool = False

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(_rounded(asdict(self)), indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def read(path: Path) -> Results:
    """Return a file's results; empty ones where there is none."""
    if not path.exists():
        return Results()
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"] = {
        name: [{who: Sample(**sample) for who, sample in one.items()} for one in rounds]
        for name, rounds in content["cells"].items()
    }
    return Results(**content)


def ratios(rounds: Sequence[Round], who: str, figure: str = "rate", to: str = BARE) -> Span | None:
    """Return a participant's figure by another's in the same rounds, None where they never met."""
    shares = [getattr(one[who], figure) / getattr(one[to], figure) for one in rounds if who in one and to in one]
    return span(shares) if shares else None


def values(rounds: Sequence[Round], who: str, figure: str) -> Span | None:
    """Return a participant's figure over the rounds, None where it was not measured."""
    found = [getattr(one[who], figure) for one in rounds if who in one]
    return span(found) if found else None


def failures(rounds: Sequence[Round], who: str) -> int:
    """Return how many requests of a participant got no good answer."""
    return sum(one[who].failures for one in rounds if who in one)


def span(numbers: Sequence[float]) -> Span:
    """Return the median and the range of at least one number."""
    return Span(statistics.median(numbers), min(numbers), max(numbers))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
