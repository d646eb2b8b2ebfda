"""What the clients saw: every request with its answer, and the same put into bins of time.

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
class Log:
    """At least one request, in order of time."""

    requests: tuple[Request, ...]

    @property
    def start(self) -> float:
        """Return the time of the first request, in epoch seconds."""
        return self.requests[0].time

    @property
    def end(self) -> float:
        """Return the time of the last request, in epoch seconds."""
        return self.requests[-1].time

    @property
    def answered(self) -> dict[int, int]:
        """Return the number of answers by version, in the versions' order."""
        return dict(sorted(answers(self.requests).items()))

    @property
    def failed(self) -> int:
        """Return the number of requests that failed."""
        return sum(not one.answered for one in self.requests)

    def last_answer(self, version: int) -> float | None:
        """Return when a version answered last, None where it never did."""
        return max((one.time for one in self.requests if one.answered and one.version == version), default=None)


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
    """Bins of `bin_seconds` each from `start` (epoch seconds) on."""

    start: float
    bin_seconds: float
    bins: tuple[Bin, ...]

    @property
    def end(self) -> float:
        """Return the end of the last bin."""
        return self.start + self.bin_seconds * len(self.bins)

    @property
    def versions(self) -> list[int]:
        """Return the versions that answered, in order."""
        return sorted({version for one in self.bins for version in one.answered})


def read_log(path: Path) -> Log | None:
    """Return the log of the clients; None where they asked nothing. Raises ConfigError on a bad line."""
    requests = [_request(path, number, line) for number, line in enumerate(read_lines(path), start=1)]
    return Log(tuple(sorted(requests, key=lambda one: one.time))) if requests else None


def answers(requests: Sequence[Request]) -> Counter[int]:
    """Return the number of answers by version."""
    return Counter(one.version for one in requests if one.answered and one.version is not None)


def put_into_bins(log: Log, start: float, end: float) -> Traffic:
    """Return the requests from start to end, both included, in bins of equal length."""
    requests = [one for one in log.requests if start <= one.time <= end]
    number = max(1, min(MOST_BINS, len(requests) // REQUESTS_PER_BIN))
    length = (end - start) / number or 1.0
    sorted_in: list[list[Request]] = [[] for _ in range(number)]
    for one in requests:
        sorted_in[min(int((one.time - start) / length), number - 1)].append(one)
    return Traffic(start, length, tuple(map(_bin, sorted_in)))


def _bin(requests: Sequence[Request]) -> Bin:
    return Bin(dict(answers(requests)), sum(not one.answered for one in requests))


def _request(path: Path, number: int, line: dict[str, Any]) -> Request:
    try:
        version = line["version"]
        return Request(float(line["t"]), line["status"] == ANSWERED, None if version is None else int(version))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}:{number}: is no request ({error!r}): it should hold t, status and version") from None
