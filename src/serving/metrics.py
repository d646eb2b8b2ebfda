"""The metrics of an endpoint as Prometheus reads them (text format 0.0.4), made of all workers' reports. Pure.

What Triton has a name for bears it, so that its dashboards and autoscaling rules work here; the rest is visionline_*.
Source: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from serving.merge import merge_reports

MICROSECONDS = 1e6
LABELS = ("model", "version")
Report = Mapping[str, Any]
Rows = Sequence[tuple[str, str, Report]]

# Triton's name -> the count, and what it means.
TRITON = {
    "nv_inference_request_success": ("success", "Requests that were answered"),
    "nv_inference_request_failure": ("failure", "Requests that were refused or failed"),
    "nv_inference_count": ("frames", "Frames scored"),
    "nv_inference_exec_count": ("executions", "Runs of the model, each of a batch"),
    "nv_inference_request_duration_us": ("request_us", "Time from a request's last byte to its answer"),
    "nv_inference_queue_duration_us": ("queue_us", "Time that requests waited"),
    "nv_inference_compute_input_duration_us": ("decode_us", "Time to decode images"),
    "nv_inference_compute_infer_duration_us": ("infer_us", "Time that the model ran for requests"),
    "nv_inference_compute_output_duration_us": ("output_us", "Time to write answers"),
}
# Of a worker's report: name -> the key, how workers' values become one, and what it means.
GAUGES: dict[str, tuple[str, Callable[[Iterable[float]], float], str]] = {
    "visionline_connections": ("connections", sum, "Open connections"),
    "visionline_waiting_frames": ("waiting", sum, "Frames that wait to be scored"),
    "visionline_oldest_wait_seconds": ("oldest_wait_seconds", max, "How long the oldest of them has waited"),
    "visionline_capacity_frames_per_second": ("capacity_fps", sum, "Frames a second that all workers can score"),
}


class _Families:
    """A collector of metric families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families


def exposition(reports: Sequence[Report]) -> bytes:
    """Return the metrics of all workers together: counts are summed, waits are the longest."""
    registry = CollectorRegistry()
    registry.register(_Families([*_deployments(reports), *_workers([report["worker"] for report in reports])]))
    return generate_latest(registry)


def _deployments(reports: Sequence[Report]) -> Iterator[Metric]:
    models = merge_reports(reports)["models"]
    rows = [(name, v, one) for name, model in models.items() for v, one in model["deployments"].items()]
    for metric, (key, meaning) in TRITON.items():
        yield _counter(metric, meaning, LABELS, [((n, v), one["counters"][key]) for n, v, one in rows])
    pending = [((n, v), one["counters"]["pending"]) for n, v, one in rows]
    yield _gauge("nv_inference_pending_request_count", "Requests that are not answered yet", LABELS, pending)
    shed = [((n, v, why), count) for n, v, one in rows for why, count in one["counters"]["shed"].items()]
    yield _counter("visionline_shed_requests", "Requests refused for want of time", (*LABELS, "reason"), shed)
    for key in ("agreements", "disagreements"):
        counts = [((n, v), one["counters"][key]) for n, v, one in rows]
        yield _counter(
            f"visionline_shadow_{key}", "Frames that the shadow and the answer agree on, or not", LABELS, counts
        )
    traffic = [((n, v), share) for n, model in models.items() for v, share in model["traffic"].items()]
    yield _gauge("visionline_traffic_percent", "Share of the live requests", LABELS, traffic)
    labels = ("digest", "variant", "engine", "state")
    known = [((n, v, *(one[label] for label in labels)), 1) for n, v, one in rows]
    yield _gauge("visionline_model_info", "What is loaded", (*LABELS, *labels), known)
    yield _times(rows)


def _times(rows: Rows) -> Metric:
    family = HistogramMetricFamily("visionline_request_seconds", "Time of a request in the server", labels=LABELS)
    for name, version, one in rows:
        total, buckets = 0, []
        for end, count in one["counters"]["times"].items():
            total += count
            buckets.append((end, total))
        family.add_metric((name, version), buckets, one["counters"]["request_us"] / MICROSECONDS)
    return family


def _workers(workers: Sequence[Report]) -> Iterator[Metric]:
    busy = [((str(index),), one["busy_seconds"]) for index, one in enumerate(workers)]
    yield _counter("visionline_busy_seconds", "Time that a worker spent scoring", ("worker",), busy)
    for metric, (key, together, meaning) in GAUGES.items():
        yield _gauge(metric, meaning, (), [((), together([one[key] for one in workers] or [0]))])


def _counter(name: str, meaning: str, labels: Sequence[str], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, count in rows:
        family.add_metric(values, count)
    return family


def _gauge(name: str, meaning: str, labels: Sequence[str], rows: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
