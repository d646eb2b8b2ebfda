"""Which simulations are run: every rule on every trace, each a job of its own for the cores that there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.autoscaling.arrays import Array
from benchmarks.autoscaling.rules import Rule, fixed, hpa, keda, router
from benchmarks.autoscaling.simulate import Outcome, Replica, simulate
from benchmarks.autoscaling.traces import CROWD_FPS, HOURS, MAKERS, Trace, spread_streams
from benchmarks.serving.errors import BenchmarkError

FIXED_UTILIZATION = 0.8  # what a fixed fleet is sized for
CPU_PERCENT = 70  # what an HPA on CPU is usually told
SEED = 7


@dataclass(frozen=True)
class Settings:
    """What a rule can be told; `lag_threshold` and `frames_waiting_per_replica` are frames by replica."""

    frames_waiting_per_replica: float
    busy_percent: float
    min_replicas: int
    max_replicas: int
    lag_threshold: float
    polling_seconds: int
    cooldown_seconds: int


@dataclass(frozen=True)
class Size:
    """How large a run is: `hours` by trace."""

    streams: int
    sites: int
    hours: dict[str, float]
    seed: int = SEED

    def __post_init__(self) -> None:
        """Raise BenchmarkError where a site would have no stream."""
        if self.sites < 1 or self.streams < self.sites:
            raise BenchmarkError(f"{self.streams} streams on {self.sites} sites: each site needs a stream")


@dataclass(frozen=True)
class Job:
    """One simulation: names of a trace and a rule, and all that they need."""

    trace: str
    rule: str
    settings: Settings
    replica: Replica
    size: Size


WHOLE = Size(10_000, 500, HOURS)


def _fixed(rates: Callable[[Array], Array]) -> Callable[[Trace, Settings, Replica], Rule]:
    def make(trace: Trace, settings: Settings, replica: Replica) -> Rule:
        del settings
        return fixed(np.maximum(np.ceil(rates(trace.rates) / replica.speed / FIXED_UTILIZATION), 1))

    return make


RULES: dict[str, Callable[[Trace, Settings, Replica], Rule]] = {
    "fixed, for the mean": _fixed(lambda rates: rates.mean(0)),
    "fixed, for the peak": _fixed(lambda rates: rates.max(0)),
    "HPA on CPU": lambda _, told, __: hpa(CPU_PERCENT, None, told.min_replicas, told.max_replicas),
    "HPA on frames waiting": lambda _, told, __: hpa(
        None, told.frames_waiting_per_replica, told.min_replicas, told.max_replicas
    ),
    "HPA on both": lambda _, told, __: hpa(
        told.busy_percent, told.frames_waiting_per_replica, told.min_replicas, told.max_replicas
    ),
    "KEDA on lag, to zero": lambda _, told, __: keda(
        told.lag_threshold, told.polling_seconds, told.cooldown_seconds, told.max_replicas
    ),
    "Azure ML's router": lambda _, told, __: router(told.min_replicas, told.max_replicas),
}


def make_trace(name: str, size: Size) -> Trace:
    """Return a trace of a size: the same sites for every trace of a seed."""
    streams = spread_streams(size.streams, size.sites, np.random.default_rng(size.seed))
    return MAKERS[name](streams, size.hours[name], np.random.default_rng(size.seed + 1))


def peak_replicas(size: Size, replica: Replica) -> int:
    """Return the replicas that the largest site's peak takes, at FIXED_UTILIZATION: what a fleet must be allowed."""
    largest = spread_streams(size.streams, size.sites, np.random.default_rng(size.seed)).max()
    return math.ceil(largest * CROWD_FPS / replica.speed / FIXED_UTILIZATION)


def run(job: Job) -> Outcome:
    """Return what one job comes to."""
    trace = make_trace(job.trace, job.size)
    rule = RULES[job.rule](trace, job.settings, job.replica)
    return simulate(trace, rule, job.replica, job.size.seed)


def run_all(jobs: Sequence[Job]) -> list[Outcome]:
    """Return the outcomes of jobs, in their order."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(run, jobs))
