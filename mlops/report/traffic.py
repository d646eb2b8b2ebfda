"""What the clients saw, put into bins of time: which version answered how many requests, and how many failed.

It knows the log of `serving.load` and nothing of endpoints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mlops.errors import ConfigError
from mlops.report.lines import read_lines

MOST_BINS = 140
REQUESTS_PER_BIN = 20  # on average at least: a share of fewer says little
ANSWERED = 200


class Request(NamedTuple):
    """One request: epoch seconds at its end, whether it was answered, and by which version, if the answer said so."""

    time: float
    answered: bool
    version: int | None


@dataclass(frozen=True)
class Bin:
    """The requests of one stretch of time: answered by version, and failed."""

    answered: dict[int, int]
    failed: int

    @property
    def total(self) -> int:
        """Return the number of requests."""
        return sum(self.answered.values()) + self.failed


@dataclass(frozen=True)
class Traffic:
    """Bins of `bin_seconds` each from `start` (epoch seconds) on; `last` is each version's last answer."""

    start: float
    bin_seconds: float
    bins: tuple[Bin, ...]
    last: dict[int, float]

    @property
    def seconds(self) -> float:
        """Return the length of the whole."""
        return self.bin_seconds * len(self.bins)

    @property
    def answered(self) -> dict[int, int]:
        """Return the number of answers by version, in the versions' order."""
        total: Counter[int] = Counter()
        for one in self.bins:
            total.update(one.answered)
        return dict(sorted(total.items()))

    @property
    def failed(self) -> int:
        """Return the number of requests that failed."""
        return sum(one.failed for one in self.bins)

    @property
    def total(self) -> int:
        """Return the number of requests."""
        return sum(one.total for one in self.bins)


def read_traffic(path: Path) -> Traffic | None:
    """Return the log of the clients in bins; None where they asked nothing. Raises ConfigError on a bad line."""
    requests = [_request(path, number, line) for number, line in enumerate(read_lines(path), start=1)]
    return put_into_bins(requests) if requests else None


def put_into_bins(requests: Sequence[Request]) -> Traffic:
    """Return at least one request in bins of equal length."""
    start, end = min(one.time for one in requests), max(one.time for one in requests)
    number = max(1, min(MOST_BINS, len(requests) // REQUESTS_PER_BIN))
    length = (end - start) / number or 1.0
    sorted_in: list[list[Request]] = [[] for _ in range(number)]
    for one in requests:
        sorted_in[min(int((one.time - start) / length), number - 1)].append(one)
    last: dict[int, float] = {}
    for one in requests:
        if one.answered and one.version is not None:
            last[one.version] = max(one.time, last.get(one.version, one.time))
    return Traffic(start, length, tuple(_bin(some) for some in sorted_in), last)


def _bin(requests: Sequence[Request]) -> Bin:
    answered = Counter(one.version for one in requests if one.answered and one.version is not None)
    return Bin(dict(answered), sum(not one.answered for one in requests))


def _request(path: Path, number: int, line: dict[str, Any]) -> Request:
    try:
        version = line["version"]
        return Request(float(line["t"]), line["status"] == ANSWERED, None if version is None else int(version))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}:{number}: is no request ({error!r}): it should hold t, status and version") from None
