"""The traffic split and the table of deployments."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.deployments import Declared, Deployment, Endpoint, Traffic
from serving.errors import RequestError


def deployment(version: str) -> Deployment:
    """Return a deployment of which only the version matters."""
    return Deployment(version, Declared("/p", "sha256:0", "fp32"))


def traffic_of(*percents: int) -> Traffic:
    """Return traffic among versions 1, 2, ..."""
    return Traffic(tuple((deployment(str(index + 1)), percent) for index, percent in enumerate(percents)))


@given(st.integers(0, 100), st.integers(0, 10_000), st.integers(1, 400))
def test_a_share_is_kept_over_any_stretch_of_requests(percent: int, first: int, length: int) -> None:
    traffic = traffic_of(100 - percent, percent)
    chosen = [traffic.choose(number) for number in range(first, first + length)]
    got = sum(one is not None and one.version == "2" for one in chosen)
    assert abs(got - length * percent / 100) <= 4
    assert None not in chosen


def test_a_canary_of_ten_percent_gets_its_first_request_among_ten() -> None:
    traffic = traffic_of(90, 10)
    for first in range(0, 1000, 13):
        versions = Counter(one.version for number in range(first, first + 30) if (one := traffic.choose(number)))
        assert 1 <= versions["2"] <= 5


def test_a_version_of_zero_percent_is_never_chosen() -> None:
    traffic = traffic_of(0, 100, 0)
    assert {one.version for number in range(1000) if (one := traffic.choose(number))} == {"2"}
    assert [traffic.has(one) for one, _ in traffic.shares] == [False, True, False]


def test_without_traffic_a_request_is_refused_and_not_counted() -> None:
    endpoint = Endpoint("m")
    with pytest.raises(RequestError, match="no deployment has traffic") as raised:
        endpoint.route()
    assert (raised.value.status, endpoint.routed, endpoint.is_ready) == (503, 0, False)


def test_a_version_that_is_absent_loading_failed_or_draining_is_not_found() -> None:
    loading, failed, draining = deployment("1"), deployment("2"), deployment("3")
    failed.reason, draining.is_draining = "broken", True
    endpoint = Endpoint("m", [loading, failed, draining])
    for version, status in (("1", 503), ("2", 503), ("3", 404), ("4", 404)):
        with pytest.raises(RequestError) as raised:
            endpoint.find(version)
        assert raised.value.status == status


def test_a_held_deployment_is_let_go_even_where_the_answer_fails() -> None:
    held = deployment("1")
    with pytest.raises(ValueError), held.hold():
        assert held.in_flight == 1
        raise ValueError
    assert held.in_flight == 0
