"""Tries the settings of HPA and KEDA one after the other and keeps the cheapest: the defaults of the manifests.

What is cheap weighs frames against replicas: one that is lost or late costs as much as scoring LOSS_WEIGHT of them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from benchmarks.autoscaling.runs import Job, Settings, Size, run_all
from benchmarks.autoscaling.simulate import Outcome, Replica
from benchmarks.autoscaling.traces import HOUR

LOSS_WEIGHT = 30.0
FIRST = Settings(4, 70, 1, 24, 1.0, 30, 300)
SWEPT = Size(500, 25, {"steady": 0.5, "bursty": 4.0, "day and night": 10.0})
HPA, KEDA = "HPA on both", "KEDA on lag, to zero"
TRACES = {HPA: ("steady", "bursty"), KEDA: ("bursty", "day and night")}
HPA_TRIES: dict[str, tuple[float, ...]] = {
    "busy_percent": (40, 50, 60, 70, 80),  # at 90 the tolerance would leave a fleet alone that is 99 % busy
    "frames_waiting_per_replica": (1, 2, 4, 8, 16),
    "min_replicas": (1, 2, 3),
    "max_replicas": (4, 8, 12, 16, 24),
}
KEDA_TRIES: dict[str, tuple[float, ...]] = {
    "lag_threshold": (0.5, 0.7, 0.85, 1, 1.5, 2),
    "polling_seconds": (15, 30, 60),
    "cooldown_seconds": (60, 120, 300, 600),
}


@dataclass(frozen=True)
class Try:
    """One value of a setting, what came of it on each of the traces, and what that cost."""

    value: float
    outcomes: tuple[Outcome, ...]
    cost: float


def cost(outcome: Outcome, replica: Replica) -> float:
    """Return replica-hours, and those in which LOSS_WEIGHT times what was lost or late would have been scored."""
    return outcome.replica_hours + LOSS_WEIGHT * (outcome.lost + outcome.late) / (replica.speed * HOUR)


def sweep(replica: Replica, size: Size = SWEPT) -> tuple[Settings, dict[str, list[Try]]]:
    """Return the best settings, each found with those before it at their best, and all that was tried."""
    settings: Settings = FIRST
    tried: dict[str, list[Try]] = {}
    for rule, tries in ((HPA, HPA_TRIES), (KEDA, KEDA_TRIES)):
        for key, values in tries.items():
            choices = {value: _with(settings, key, value) for value in values}
            tried[key] = _try(rule, choices, replica, size)
            settings = choices[min(tried[key], key=lambda one: one.cost).value]
    return settings, tried


def _with(settings: Settings, key: str, value: float) -> Settings:
    return Settings(**{**dataclasses.asdict(settings), key: value})


def _try(rule: str, choices: dict[float, Settings], replica: Replica, size: Size) -> list[Try]:
    traces = TRACES[rule]
    jobs = [Job(trace, rule, settings, replica, size) for settings in choices.values() for trace in traces]
    outcomes = iter(run_all(jobs))
    found = {value: tuple(next(outcomes) for _ in traces) for value in choices}
    return [Try(value, each, sum(cost(one, replica) for one in each)) for value, each in found.items()]
