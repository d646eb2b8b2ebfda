"""What the cameras of all sites send, in frames a second, over time: steady, in bursts, by day and night.

Cameras send only what is worth scoring: one frame a second while nothing happens, five in a crowd, none at night. Each
trace is made from a seed, and the same seed makes the same trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.autoscaling.arrays import Array
from benchmarks.serving.errors import BenchmarkError

STEP_SECONDS = 5
HOUR = 3600
QUIET_FPS, STEADY_FPS, CROWD_FPS = 1.0, 3.0, 5.0  # of one stream
CROWDS_AN_HOUR = 1.0  # at one site
CROWD_SECONDS, SHORTEST_CROWD = 240.0, 60.0
RAMP_SECONDS = 15.0  # in which a crowd comes, and goes
WAKES_A_NIGHT, WAKE_SECONDS = 2.0, 120.0  # somebody walks past a site that is closed
CLOSED_SHARE = 0.2  # of the sites, all day
SPREAD = 4.0  # shape of a gamma distribution: the largest of 500 sites has about three times the mean's streams


@dataclass(frozen=True)
class Trace:
    """Frames a second of each site, one row every STEP_SECONDS; `streams` are the cameras of each site."""

    name: str
    streams: Array
    rates: Array

    def __post_init__(self) -> None:
        """Raise BenchmarkError where a rate is no number of frames."""
        if self.rates.ndim != 2 or self.rates.shape[1] != len(self.streams):
            raise BenchmarkError(f"trace {self.name}: {self.rates.shape} rates for {len(self.streams)} sites")
        if not np.isfinite(self.rates).all() or (self.rates < 0).any():
            raise BenchmarkError(f"trace {self.name}: a rate is negative or no number: rates are frames a second")

    @property
    def seconds(self) -> int:
        """Return how long it is."""
        return len(self.rates) * STEP_SECONDS

    def at(self, second: int) -> Array:
        """Return the frames a second of each site."""
        rates: Array = self.rates[second // STEP_SECONDS]
        return rates


def spread_streams(streams: int, sites: int, rng: np.random.Generator) -> Array:
    """Return how many streams each site has: all of them together, at least one each."""
    shares = rng.dirichlet(np.full(sites, SPREAD))
    return (1 + rng.multinomial(streams - sites, shares)).astype(np.float64)


def steady(streams: Array, hours: float, rng: np.random.Generator) -> Trace:
    """Return the same load all the time."""
    del rng
    return Trace("steady", streams, np.tile(streams * STEADY_FPS, (_rows(hours), 1)))


def bursty(streams: Array, hours: float, rng: np.random.Generator) -> Trace:
    """Return quiet sites, to each of which crowds come at random moments, one after the other."""
    crowds = _events(len(streams), hours, CROWDS_AN_HOUR, (CROWD_SECONDS, SHORTEST_CROWD), rng)
    return Trace("bursty", streams, streams * (QUIET_FPS + crowds * (CROWD_FPS - QUIET_FPS)))


def day_and_night(streams: Array, hours: float, rng: np.random.Generator) -> Trace:
    """Return a day from midnight: nothing at night but few passers-by, a busy noon, crowds; some sites stay closed."""
    count = len(streams)
    clock = np.arange(_rows(hours))[:, None] * STEP_SECONDS / HOUR % 24
    opens, closes = rng.uniform(6, 9, count), rng.uniform(18, 22, count)
    closes[rng.random(count) < CLOSED_SHARE] = 0.0
    is_open = (clock >= opens) & (clock < closes)
    noon = np.sin(np.clip((clock - opens) / np.maximum(closes - opens, 1), 0, 1) * np.pi)
    crowds = _events(count, hours, CROWDS_AN_HOUR / 2, (CROWD_SECONDS, SHORTEST_CROWD), rng)
    wakes = _events(count, hours, WAKES_A_NIGHT / 10, (WAKE_SECONDS, SHORTEST_CROWD), rng)
    day = np.maximum(QUIET_FPS + noon * (STEADY_FPS - QUIET_FPS), crowds * CROWD_FPS)
    return Trace("day and night", streams, streams * np.where(is_open, day, wakes * QUIET_FPS))


def one_crowd(streams: float = 20.0) -> Trace:
    """Return half an hour of one site: quiet for five minutes, a crowd for six, quiet again."""
    times = np.arange(_rows(0.5)) * STEP_SECONDS
    level = np.clip(np.minimum(times - 300, 660 + RAMP_SECONDS - times) / RAMP_SECONDS, 0, 1)
    rates = streams * (QUIET_FPS + level * (CROWD_FPS - QUIET_FPS))
    return Trace("one crowd", np.array([streams]), rates[:, None])


MAKERS: dict[str, Callable[[Array, float, np.random.Generator], Trace]] = {
    "steady": steady,
    "bursty": bursty,
    "day and night": day_and_night,
}
HOURS = {"steady": 1.0, "bursty": 4.0, "day and night": 24.0}


def _rows(hours: float) -> int:
    return round(hours * HOUR / STEP_SECONDS)


def _events(sites: int, hours: float, an_hour: float, lengths: tuple[float, float], rng: np.random.Generator) -> Array:
    """Return a share, 0 to 1, of each moment and site: 1 in an event, between where it comes or goes."""
    times = np.arange(_rows(hours)) * STEP_SECONDS
    levels = np.zeros((len(times), sites))
    mean, least = lengths
    for site, count in enumerate(rng.poisson(an_hour * hours, sites)):
        starts = rng.uniform(0, hours * HOUR, count)
        ends = starts + least + rng.exponential(mean - least, count)
        for start, end in zip(starts, ends, strict=True):
            level = np.clip(np.minimum(times - start, end + RAMP_SECONDS - times) / RAMP_SECONDS, 0, 1)
            levels[:, site] = np.maximum(levels[:, site], level)
    return levels
