"""The metrics of several workers, read back by Prometheus' own parser for Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from serving.counters import SHED_REASONS, Counters
from serving.metrics import exposition

MODEL, VERSION = 'gate "A"\\\n_total', "7"
HERE = {"model": MODEL, "version": VERSION}
TRITON = {
    "nv_inference_request_success": 2,
    "nv_inference_count": 6,
    "nv_inference_exec_count": 4,
    "nv_inference_request_duration_us": 80_000,
    "nv_inference_queue_duration_us": 2_000,
    "nv_inference_compute_input_duration_us": 4_000,
    "nv_inference_compute_infer_duration_us": 6_000,
    "nv_inference_compute_output_duration_us": 8_000,
}


def counters() -> Counters:
    """Return what one worker counted."""
    made = Counters(executions=2, pending=3, agreements=5, disagreements=1, shadow_failures=4)
    made.answered(frames=3, request=0.04, queue=0.001, decode=0.002, infer=0.003, output=0.004)
    for status in (503, 500, 400, 404):
        made.failed(status)
    made.shed["deadline"] += 1
    return made


def report(pid: int, state: str = "ready", **worker: float) -> dict[str, Any]:
    """Return one worker's report."""
    counts = {"requests": 0, "errors": 0, "in_flight": 0, "counters": counters().to_json()}
    deployment = {"state": state, "reason": None, "digest": "sha256:0", "variant": "int8", "engine": "e", **counts}
    model = {"traffic": {VERSION: 90}, "shadow": None, "deployments": {VERSION: deployment}}
    own = {"busy_seconds": 1.5, "connections": 4, "waiting": 2, "oldest_wait_seconds": 0.5, "capacity_fps": 100.0}
    rest = {"observed_generation": 1, "error": None, "models": {MODEL: model}}
    return {**rest, "worker": {"pid": pid, **own, **worker}}


def families(*reports: dict[str, Any]) -> dict[str, Metric]:
    """Return the metric families of an exposition by name."""
    return {family.name: family for family in text_string_to_metric_families(exposition(reports).decode())}


def values(family: Metric, label: str) -> dict[str, float]:
    """Return a family's values by a label; the others say which deployment it is."""
    found = {sample.labels[label]: sample.value for sample in family.samples}
    assert all({**sample.labels, label: ""} == {**HERE, label: ""} for sample in family.samples)
    return found


@pytest.fixture(scope="module")
def two_workers() -> dict[str, Metric]:
    """Return the metrics of two workers."""
    return families(report(11), report(12, oldest_wait_seconds=0.75))


@pytest.mark.parametrize("name", TRITON)
def test_counts_bear_tritons_names_and_are_summed_over_workers(name: str, two_workers: dict[str, Metric]) -> None:
    (sample,) = two_workers[name].samples

    assert (two_workers[name].type, sample.labels) == ("counter", HERE)
    assert sample.value == pytest.approx(TRITON[name])


def test_failures_are_told_apart_as_triton_does(two_workers: dict[str, Metric]) -> None:
    assert values(two_workers["nv_inference_request_failure"], "reason") == {"REJECTED": 2, "BACKEND": 2, "OTHER": 4}


def test_names_on_the_wire_are_tritons_without_an_end_in_total() -> None:
    # The parser gives each counter that end where it has none.
    lines = exposition([report(11)]).decode().splitlines()
    names = {line.split("{")[0] for line in lines if line.startswith("nv_")}

    assert names == {*TRITON, "nv_inference_request_failure", "nv_inference_pending_request_count"}
    assert {line.split()[2] for line in lines if line.startswith("# TYPE nv_")} == names
    assert any(line.startswith("visionline_shed_requests_total{") for line in lines)


def test_pending_requests_are_a_gauge(two_workers: dict[str, Metric]) -> None:
    family = two_workers["nv_inference_pending_request_count"]

    assert (family.type, family.samples[0].value) == ("gauge", 6)


def test_what_was_shed_is_told_by_reason(two_workers: dict[str, Metric]) -> None:
    assert values(two_workers["visionline_shed_requests"], "reason") == {
        **dict.fromkeys(SHED_REASONS, 0),
        "deadline": 2,
    }


def test_a_shadows_agreements_are_counted(two_workers: dict[str, Metric]) -> None:
    names = ("agreements", "disagreements", "failures")

    assert [two_workers[f"visionline_shadow_{name}"].samples[0].value for name in names] == [10, 2, 8]


def test_the_histogram_is_cumulative_and_ends_with_all(two_workers: dict[str, Metric]) -> None:
    samples = two_workers["visionline_request_duration_seconds"].samples
    buckets = {one.labels["le"]: one.value for one in samples if one.name.endswith("_bucket")}

    assert (buckets["0.025"], buckets["0.05"], buckets["+Inf"]) == (0, 2, 2)
    assert list(buckets.values()) == sorted(buckets.values())
    assert [one.value for one in samples if one.name.endswith("_count")] == [2]
    assert [one.value for one in samples if one.name.endswith("_sum")] == [pytest.approx(0.08)]


def test_the_model_is_described_and_its_traffic_told(two_workers: dict[str, Metric]) -> None:
    (info,) = two_workers["visionline_model_info"].samples

    assert (info.labels, info.value) == ({**HERE, "digest": "sha256:0", "variant": "int8", "engine": "e"}, 1)
    assert two_workers["visionline_traffic_percent"].samples[0].value == 90
    assert two_workers["visionline_model_ready"].samples[0].value == 1


def test_a_version_that_a_worker_has_not_loaded_is_not_ready() -> None:
    assert families(report(11), report(12, "loading"))["visionline_model_ready"].samples[0].value == 0


def test_what_waits_is_summed_and_the_longest_wait_is_told(two_workers: dict[str, Metric]) -> None:
    found = {name: two_workers[f"visionline_{name}"].samples[0].value for name in GAUGES}

    assert found == GAUGES


GAUGES = {
    "connections": 8,
    "waiting_frames": 4,
    "oldest_wait_seconds": 0.75,
    "capacity_frames_per_second": 200,
    "workers": 2,
}


def test_a_workers_busy_time_is_told_by_its_process(two_workers: dict[str, Metric]) -> None:
    busy = {sample.labels["pid"]: sample.value for sample in two_workers["visionline_worker_busy_seconds"].samples}

    assert busy == {"11": 1.5, "12": 1.5}


def test_with_no_worker_there_are_metrics_all_the_same() -> None:
    found = families()

    assert found["visionline_workers"].samples[0].value == 0
    assert found["visionline_oldest_wait_seconds"].samples[0].value == 0
    assert found["nv_inference_count"].samples == []


def test_no_family_comes_twice_and_each_says_what_it_is() -> None:
    lines = exposition([report(11)]).decode().splitlines()
    helped, typed = list(words(lines, "# HELP ")), list(words(lines, "# TYPE "))

    assert helped == typed
    assert len(set(helped)) == len(helped)


def words(lines: list[str], start: str) -> Iterator[str]:
    """Yield the names after a start."""
    return (line.removeprefix(start).split()[0] for line in lines if line.startswith(start))
