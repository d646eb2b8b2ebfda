"""Makes one report of the reports of all workers, each of which serves the same declared state. Pure.

Counts must not fall when a worker ends: who reads them would take that for a start from 0, and for as many new requests
as the others have counted. So what an ended worker has last reported is carried on with the reports of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Report = Mapping[str, Any]
Counts = Mapping[tuple[str, str], Mapping[str, Any]]  # of a model's version: what only grows while it is served


def merge_reports(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the report of a whole endpoint: counts are summed, and a state is ready only where all are.

    A version that some worker failed to load is failed. The traffic is the mean of the workers', as they share the
    requests. The observed generation is the least; with no worker it is 0.
    """
    names = _keys([report["models"] for report in reports])
    return {
        "observed_generation": min((report["observed_generation"] for report in reports), default=0),
        "error": _first([report["error"] for report in reports]),
        "models": {name: _merge_model([report["models"].get(name) for report in reports]) for name in names},
    }


def counts_of(report: Report) -> Counts:
    """Return what a worker has counted so far, without what may fall again: what is in flight or pending."""
    return {place: _counts(deployment) for place, deployment in _deployments(report)}


def sum_counts(mappings: Sequence[Mapping[Any, Any]]) -> dict[Any, Any]:
    """Return the sums of numbers by key, and of those of mappings within."""
    totals: dict[Any, Any] = {}
    for key in _keys(mappings):
        values = [mapping[key] for mapping in mappings if key in mapping]
        totals[key] = sum_counts(values) if isinstance(values[0], Mapping) else sum(values)
    return totals


def known_counts(counts: Counts, reports: Sequence[Report]) -> Counts:
    """Return the counts of the versions that some report knows."""
    known = {place for report in reports for place, _ in _deployments(report)}
    return {place: one for place, one in counts.items() if place in known}


def carry_counts(reports: Sequence[Report], counts: Counts) -> list[Report]:
    """Return the reports with counts added, those of each version to the first report that knows it."""
    left = dict(counts)

    def carried(place: tuple[str, str], deployment: Report) -> Report:
        more = left.pop(place, {})
        return {**deployment, **sum_counts([{key: deployment[key] for key in more}, more])}

    def carried_model(name: str, model: Report) -> Report:
        return {**model, "deployments": {v: carried((name, v), one) for v, one in model["deployments"].items()}}

    return [
        {**report, "models": {name: carried_model(name, model) for name, model in report["models"].items()}}
        for report in reports
    ]


def _deployments(report: Report) -> Iterator[tuple[tuple[str, str], Report]]:
    for name, model in report["models"].items():
        for version, deployment in model["deployments"].items():
            yield (name, version), deployment


def _counts(deployment: Report) -> Report:
    counters = {name: count for name, count in deployment["counters"].items() if name != "pending"}
    return {"requests": deployment["requests"], "errors": deployment["errors"], "counters": counters}


def _merge_model(reports: Sequence[Report | None]) -> dict[str, Any]:
    known = [report for report in reports if report is not None]
    traffics = [report["traffic"] for report in known]
    shares = {v: sum(one.get(v, 0) for one in traffics) / len(reports) for v in _keys(traffics)}
    versions = _keys([report["deployments"] for report in known])
    shadows = {None if report is None else report["shadow"] for report in reports}
    return {
        "traffic": {version: round(share) for version, share in shares.items()},
        "shadow": shadows.pop() if len(shadows) == 1 else None,
        "deployments": {
            v: _merge_deployment([None if one is None else one["deployments"].get(v) for one in reports])
            for v in versions
        },
    }


def _merge_deployment(reports: Sequence[Report | None]) -> dict[str, Any]:
    known = [report for report in reports if report is not None]
    states = {"loading" if report is None else report["state"] for report in reports}
    state = "failed" if "failed" in states else "loading" if "loading" in states else "ready"
    counts = {name: sum(report[name] for report in known) for name in ("requests", "errors", "in_flight")}
    reason = _first([report["reason"] for report in known])
    counters = sum_counts([report["counters"] for report in known])
    return {**known[0], "state": state, "reason": reason, **counts, "counters": counters}


def _keys(mappings: Sequence[Mapping[Any, Any]]) -> list[Any]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)
