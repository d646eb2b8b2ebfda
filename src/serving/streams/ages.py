"""How old results are: a histogram for Prometheus since the start, and the last thousand for percentiles."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from serving.figures import percentile

BOUNDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)  # seconds; 0.04 is one frame at 25 a second
RECENT = 1000


@dataclass
class Ages:
    """Seconds, counted by upper bound, the last count being of what is above all bounds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.recent.append(seconds)

    def copy(self) -> Ages:
        """Return one that stays as it is."""
        return Ages(list(self.counts), self.total, self.recent.copy())

    def milliseconds(self, percent: float) -> float | None:
        """Return a percentile of the last thousand in ms, None where there is none."""
        value = percentile(sorted(self.recent), percent)
        return None if value is None else value * 1000
