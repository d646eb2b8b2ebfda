"""All that a benchmark found, as plain values: autoscaling.json, which page and pictures are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.autoscaling.measured import DETECTOR_COST, PROBE_SECONDS, SCHEDULE_SECONDS, Measured
from benchmarks.autoscaling.runs import RULES, Job, Settings, Size, peak_replicas, run_all
from benchmarks.autoscaling.simulate import SERIES_SECONDS, Outcome, simulate
from benchmarks.autoscaling.sweep import HPA, HPA_TRIES, KEDA, KEDA_TRIES, LOSS_WEIGHT, SWEPT, TRACES, Try, sweep
from benchmarks.autoscaling.traces import one_crowd
from benchmarks.serving.machine import facts

Json = dict[str, Any]
STARTS = (30, 60, 180)  # seconds until a replica is ready: its image pulled, and a node started before
STARTED = (HPA, KEDA, "Azure ML's router")


def find(measured: Measured, size: Size, swept: Size = SWEPT) -> Json:
    """Return all results: the best settings first, then every rule with them. Minutes.

    The most replicas are not the cheapest that were tried, on smaller sites, but what the largest site of all takes.
    """
    replica = measured.replica()
    found, tried = sweep(replica, swept)
    settings = dataclasses.replace(found, max_replicas=peak_replicas(size, replica))
    return {
        "facts": facts(),
        "measured": {
            **dataclasses.asdict(measured),
            "detector_cost": DETECTOR_COST,
            "schedule_seconds": SCHEDULE_SECONDS,
            "probe_seconds": PROBE_SECONDS,
            "replica": dataclasses.asdict(replica),
        },
        "size": dataclasses.asdict(size),
        "defaults": defaults(settings),
        "runs": _runs(measured, settings, size),
        "settings": {"loss_weight": LOSS_WEIGHT, "tries": {key: _tries(key, each) for key, each in tried.items()}},
        "starts": _starts(measured, found, swept),
        "crowd": _crowd(measured, settings),
    }


def defaults(settings: Settings) -> Json:
    """Return the settings as the manifests in infra/kubernetes are held to them."""
    told = dataclasses.asdict(settings)
    return {"hpa": {key: told[key] for key in HPA_TRIES}, "keda": {key: told[key] for key in KEDA_TRIES}}


def figures(outcome: Outcome) -> Json:
    """Return the figures of one run: shares of its frames, seconds, hours."""
    return {
        "frames": round(outcome.frames),
        "lost_share": round(outcome.lost_share, 6),
        "late_share": round(outcome.late / max(outcome.frames, 1), 6),
        "p99_age_seconds": round(outcome.p99_age, 2),
        "replica_hours": round(outcome.replica_hours, 1),
    }


def _runs(measured: Measured, settings: Settings, size: Size) -> Json:
    jobs = [Job(trace, rule, settings, measured.replica(), size) for trace in size.hours for rule in RULES]
    found: Json = {trace: {} for trace in size.hours}
    for job, outcome in zip(jobs, run_all(jobs), strict=True):
        found[job.trace][job.rule] = figures(outcome)
    return found


def _starts(measured: Measured, settings: Settings, swept: Size) -> list[Json]:
    replicas = [dataclasses.replace(measured.replica(), start=start) for start in (measured.replica().start, *STARTS)]
    jobs = [Job("bursty", rule, settings, replica, swept) for replica in replicas for rule in STARTED]
    outcomes = iter(run_all(jobs))
    return [
        {"start_seconds": replica.start, "rules": {rule: figures(next(outcomes)) for rule in STARTED}}
        for replica in replicas
    ]


def _crowd(measured: Measured, settings: Settings) -> Json:
    trace, replica = one_crowd(), measured.replica()
    series: Mapping[str, Sequence[float]] = {
        rule: simulate(trace, make(trace, settings, replica), replica).first_site for rule, make in RULES.items()
    }
    moments = range(0, trace.seconds, SERIES_SECONDS)
    load = [round(float(trace.at(second)[0] / replica.speed), 3) for second in moments]
    return {"step_seconds": SERIES_SECONDS, "load_replicas": load, "replicas": series}


def _tries(key: str, tried: Sequence[Try]) -> list[Json]:
    rule = HPA if key in HPA_TRIES else KEDA
    return [
        {
            "value": one.value,
            "cost": round(one.cost, 1),
            "runs": {trace: figures(each) for trace, each in zip(TRACES[rule], one.outcomes, strict=True)},
        }
        for one in tried
    ]
