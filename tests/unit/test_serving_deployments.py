"""The traffic split and the table of deployments."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.deployments import Deployment, Endpoint, ServedModel
from serving.desired import Declared
from serving.errors import RequestError
from serving.traffic import Traffic


def deployment(version: str) -> Deployment:
    """Return a deployment of which only the version matters."""
    return Deployment(version, Declared("/p", "sha256:0", "fp32"))


def traffic_of(*percents: int) -> Traffic[Deployment]:
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
    served = ServedModel("m")
    for key in (None, "gate-1"):
        with pytest.raises(RequestError, match="no deployment has traffic") as raised:
            served.route(key)
        assert (raised.value.status, served.routed, served.is_ready) == (503, 0, False)


def test_a_version_that_is_absent_loading_failed_or_draining_is_not_found() -> None:
    loading, failed, draining = deployment("1"), deployment("2"), deployment("3")
    failed.reason, draining.is_draining = "broken", True
    served = ServedModel("m", [loading, failed, draining])
    for version, status in (("1", 503), ("2", 503), ("3", 404), ("4", 404)):
        with pytest.raises(RequestError) as raised:
            served.find(version)
        assert raised.value.status == status


def test_a_held_deployment_is_let_go_even_where_the_answer_fails() -> None:
    held = deployment("1")
    with pytest.raises(ValueError), held.hold():
        assert held.in_flight == 1
        raise ValueError
    assert held.in_flight == 0


KEYS = [f"gate-{number}" for number in range(2000)]


def versions_by_key(*percents: int) -> dict[str, str]:
    """Return the version that each key goes to."""
    traffic = traffic_of(*percents)
    return {key: one.version for key in KEYS if (one := traffic.stick(key))}


def test_a_key_goes_to_the_same_version_again_and_does_not_count() -> None:
    served = ServedModel("m", traffic=traffic_of(50, 50))
    assert len({served.route("gate-1").version for _ in range(20)}) == 1
    assert served.routed == 0


def test_keys_are_split_as_the_shares_say() -> None:
    counts = Counter(versions_by_key(60, 30, 10, 0).values())
    assert set(counts) == {"1", "2", "3"}
    for version, percent in (("1", 60), ("2", 30), ("3", 10)):
        assert abs(counts[version] - len(KEYS) * percent / 100) < 100


def test_a_larger_share_keeps_the_keys_that_a_version_had() -> None:
    before = {key for key, version in versions_by_key(90, 10).items() if version == "2"}
    for percents in ((50, 50), (25, 75), (0, 100)):
        after = {key for key, version in versions_by_key(*percents).items() if version == "2"}
        assert before < after
        before = after


def test_the_order_of_the_shares_moves_no_key() -> None:
    traffic = traffic_of(50, 30, 20)
    reverse = Traffic(traffic.shares[::-1])
    assert all(traffic.stick(key) is reverse.stick(key) for key in KEYS)


def test_a_key_may_be_any_text() -> None:
    assert traffic_of(50, 50).stick("\udcff\0") is not None


def test_a_model_is_found_by_its_name_or_where_it_is_the_only_or_the_default_one() -> None:
    one, two = ServedModel("one"), ServedModel("two")
    assert Endpoint({"one": one}).served(None) is one
    endpoint = Endpoint({"one": one, "two": two}, default="two")
    assert (endpoint.served(None), endpoint.served("one")) == (two, one)


def test_a_request_that_names_no_model_or_an_unknown_one_is_told_what_to_do() -> None:
    both = {"one": ServedModel("one"), "two": ServedModel("two")}
    for endpoint, name, status, reason in (
        (Endpoint(both), "three", 404, "model three is not served here"),
        (Endpoint(both), None, 400, "name one of one, two"),
        (Endpoint(both, default="three"), None, 404, "model three"),
        (Endpoint(), None, 503, "no deployment has traffic"),
    ):
        with pytest.raises(RequestError, match=reason) as raised:
            endpoint.served(name)
        assert raised.value.status == status


def test_the_spare_is_the_other_one_with_most_traffic() -> None:
    served = ServedModel("m", traffic=traffic_of(20, 50, 30, 0))
    one, two, three, idle = (share[0] for share in served.traffic.shares)
    assert (served.spare(two), served.spare(three), served.main()) == (three, two, two)
    assert ServedModel("m", traffic=traffic_of(100, 0)).spare(idle) is not None
    alone = ServedModel("m", traffic=Traffic(((one, 100), (idle, 0))))
    assert alone.spare(one) is None
