"""What a deployment counts."""

from __future__ import annotations

import json

import pytest

from serving.counters import BUCKETS, Counters


def count_of(seconds: float) -> Counters:
    """Return counters that counted one request of so many seconds."""
    counters = Counters()
    counters.answered(frames=3, request=seconds, queue=0.25, decode=0.5, infer=0.125, output=0.0625)
    return counters


def test_an_answered_request_is_counted_with_its_parts_in_microseconds() -> None:
    counts = count_of(2.0).to_json()

    assert (counts["success"], counts["frames"], counts["failure"]) == (1, 3, 0)
    parts = [counts[name] for name in ("request_us", "queue_us", "decode_us", "infer_us", "output_us")]
    assert parts == [2e6, 250_000, 500_000, 125_000, 62_500]


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, "0.0005"), (0.0005, "0.0005"), (0.00051, "0.001"), (2.5, "2.5"), (2.6, "+Inf")]
)
def test_a_request_is_in_the_one_bucket_that_ends_at_or_above_its_time(seconds: float, bucket: str) -> None:
    times = count_of(seconds).to_json()["times"]

    assert {end for end, count in times.items() if count} == {bucket}
    assert list(times) == [*(f"{end:g}" for end in BUCKETS), "+Inf"]


@pytest.mark.parametrize(("status", "expected"), [(503, (1, 1, 0)), (500, (1, 0, 1)), (400, (1, 0, 0))])
def test_a_failed_request_is_counted_by_whose_fault_it_was(status: int, expected: tuple[int, int, int]) -> None:
    counters = Counters()
    counters.failed(status)

    assert (counters.failure, counters.rejected, counters.broken) == expected


def test_two_deployments_count_for_themselves() -> None:
    first, second = Counters(), Counters()
    first.shed["overload"] += 1
    first.times[0] += 1

    assert second.to_json() == Counters().to_json()


def test_what_is_reported_is_json_and_does_not_change_any_more() -> None:
    counters = count_of(0.01)
    report = counters.to_json()
    before = json.dumps(report)
    counters.answered(1, 0.01, 0.0, 0.0, 0.0, 0.0)
    counters.shed["deadline"] += 1

    assert json.dumps(report) == before
