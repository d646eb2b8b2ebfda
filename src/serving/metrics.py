"""The metrics of an endpoint as Prometheus reads them (text format 0.0.4), made of all workers' reports. Pure.

What Triton has a name for bears it, so that its dashboards and autoscaling rules work here; the rest is visionline_*.
Source: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serving.counters import MICROSECONDS
from serving.merge import merge_reports

LABELS = ("model", "version")
INFO = ("digest", "variant", "engine")
# prometheus_client ends the name of each counter in _total; Triton's have no such end.
TRITON_TOTAL = re.compile(rb"^((?:# (?:HELP|TYPE) )?nv_\w+)_total\b", re.MULTILINE)

Report = Mapping[str, Any]
Family = CounterMetricFamily | GaugeMetricFamily
Rows = Sequence[tuple[str, str, Report]]

# Name -> the count, and what it means.
COUNTS = {
    "nv_inference_request_success": ("success", "Requests that were answered"),
    "nv_inference_count": ("frames", "Frames scored for requests"),
    "nv_inference_exec_count": ("executions", "Runs of the model, each of a batch, a shadow's included"),
    "nv_inference_request_duration_us": ("request_us", "Time from a request's last byte to its answer"),
    "nv_inference_queue_duration_us": ("queue_us", "Time that requests waited"),
    "nv_inference_compute_input_duration_us": ("decode_us", "Time to decode images"),
    "nv_inference_compute_infer_duration_us": ("infer_us", "Time that the model ran for requests"),
    "nv_inference_compute_output_duration_us": ("output_us", "Time to write answers"),
    "visionline_shadow_agreements": ("agreements", "Frames that this shadow gave the answer's label"),
    "visionline_shadow_disagreements": ("disagreements", "Frames that this shadow gave another label"),
    "visionline_shadow_failures": ("shadow_failures", "Frames that this shadow failed on"),
}
# Of a worker's report: name -> the key, how workers' values become one, and what it means.
GAUGES: dict[str, tuple[str, Callable[[Iterable[float]], float], str]] = {
    "visionline_connections": ("connections", sum, "Open connections"),
    "visionline_waiting_frames": ("waiting", sum, "Frames that wait to be scored"),
    "visionline_oldest_wait_seconds": ("oldest_wait_seconds", max, "How long the oldest of them has waited"),
    "visionline_capacity_frames_per_second": ("capacity_fps", sum, "Frames a second that all workers can score"),
}


class _Families(Collector):
    """Metric families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families


def exposition(reports: Sequence[Report]) -> bytes:
    """Return the metrics of all workers together: counts are summed, waits are the longest."""
    registry = CollectorRegistry()
    registry.register(_Families([*_deployments(reports), *_workers([report["worker"] for report in reports])]))
    return TRITON_TOTAL.sub(rb"\1", generate_latest(registry))


def _deployments(reports: Sequence[Report]) -> Iterator[Metric]:
    models = merge_reports(reports)["models"]
    rows = [(name, v, one) for name, model in models.items() for v, one in model["deployments"].items()]
    for metric, (key, meaning) in COUNTS.items():
        counts = [((n, v), one["counters"][key]) for n, v, one in rows]
        yield _filled(CounterMetricFamily(metric, meaning, labels=LABELS), counts)
    yield from _refusals(rows)
    yield from _states(rows)
    traffic = [((n, v), share) for n, model in models.items() for v, share in model["traffic"].items()]
    yield _filled(GaugeMetricFamily("visionline_traffic_percent", "Share of the live requests", labels=LABELS), traffic)
    yield _durations(rows)


def _refusals(rows: Rows) -> Iterator[Metric]:
    labels = (*LABELS, "reason")
    failures = [((n, v, why), count) for n, v, one in rows for why, count in _failures(one["counters"]).items()]
    meaning = "Requests that were rejected, met a model (BACKEND) that failed, or were wrong (OTHER)"
    yield _filled(CounterMetricFamily("nv_inference_request_failure", meaning, labels=labels), failures)
    shed = [((n, v, why), count) for n, v, one in rows for why, count in one["counters"]["shed"].items()]
    yield _filled(CounterMetricFamily("visionline_shed_requests", "Work refused for want of time", labels=labels), shed)


def _failures(counters: Report) -> dict[str, int]:
    rejected, broken = counters["rejected"], counters["broken"]
    return {"REJECTED": rejected, "BACKEND": broken, "OTHER": counters["failure"] - rejected - broken}


def _states(rows: Rows) -> Iterator[Metric]:
    pending = [((n, v), one["counters"]["pending"]) for n, v, one in rows]
    meaning = "Requests that are not answered yet"
    yield _filled(GaugeMetricFamily("nv_inference_pending_request_count", meaning, labels=LABELS), pending)
    ready = [((n, v), one["state"] == "ready") for n, v, one in rows]
    meaning = "1 where every worker has loaded the version"
    yield _filled(GaugeMetricFamily("visionline_model_ready", meaning, labels=LABELS), ready)
    known = [((n, v, *(one[label] for label in INFO)), 1) for n, v, one in rows]
    yield _filled(GaugeMetricFamily("visionline_model_info", "What is served", labels=(*LABELS, *INFO)), known)


def _durations(rows: Rows) -> Metric:
    meaning = "From a request's last byte to its answer, where it succeeded"
    family = HistogramMetricFamily("visionline_request_duration_seconds", meaning, labels=LABELS)
    for name, version, one in rows:
        total, buckets = 0, []
        for end, count in one["counters"]["times"].items():
            total += count
            buckets.append((end, total))
        family.add_metric((name, version), buckets, one["counters"]["request_us"] / MICROSECONDS)
    return family


def _workers(workers: Sequence[Report]) -> Iterator[Metric]:
    # By process, for a worker that is started again counts from 0, and its place among the others is not its name.
    busy = [((str(one["pid"]),), one["busy_seconds"]) for one in workers]
    yield _filled(CounterMetricFamily("visionline_worker_busy_seconds", "Time spent scoring", labels=("pid",)), busy)
    yield GaugeMetricFamily("visionline_workers", "Worker processes that answer", len(workers))
    for metric, (key, together, meaning) in GAUGES.items():
        yield GaugeMetricFamily(metric, meaning, together([one[key] for one in workers] or [0]))


def _filled(family: Family, rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    for values, value in rows:
        family.add_metric(values, value)
    return family
