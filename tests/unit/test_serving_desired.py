"""desired.json: read, or refused with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serving.deployments import Declared
from serving.desired import parse_desired
from serving.errors import ServingError

ONE = {"package": "/p", "digest": "sha256:0", "variant": "int8"}


def content(**changes: Any) -> bytes:
    """Return a good desired.json, with changes."""
    good = {"generation": 3, "model": "m", "deployments": {"1": ONE, "2": ONE}, "traffic": {"1": 90, "2": 10}}
    return json.dumps({**good, **changes}).encode()


def test_a_good_file_is_read() -> None:
    desired = parse_desired(content())
    assert (desired.generation, desired.model, desired.traffic) == (3, "m", {"1": 90, "2": 10})
    assert desired.deployments["2"] == Declared("/p", "sha256:0", "int8")


@pytest.mark.parametrize("traffic", [{}, {"1": 100}, {"1": 0, "2": 100}])
def test_traffic_is_nothing_or_a_hundred_percent(traffic: dict[str, int]) -> None:
    assert parse_desired(content(traffic=traffic)).traffic == traffic


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "not JSON"),
        (content()[:-9], "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "it should be a mapping, is list"),
        (b"{}", "it should have the keys deployments, generation, model, traffic, has"),
        (content(extra=1), "has deployments, extra"),
        (content(deployments=[]), "deployments should be a mapping"),
        (content(deployments={"1": "/p", "2": ONE}), "deployment 1 should be a mapping"),
        (content(deployments={"1": {**ONE, "digest": None}, "2": ONE}), "deployment 1: package, digest and variant"),
        (content(deployments={"1": {"package": "/p"}, "2": ONE}), "deployment 1 should have the keys"),
        (content(traffic={"3": 100}), "version 3, which is no deployment"),
        (content(traffic={"1": 90}), "sum to 100"),
        (content(traffic={"1": 110, "2": -10}), "whole percents"),
        (content(traffic={"1": 99.5, "2": 0.5}), "whole percents"),
        (content(traffic={"1": "100"}), "whole percents"),
        (content(generation=-1), "generation should be"),
        (content(generation="3"), "generation should be"),
        (content(model=None), "model a text"),
    ],
)
def test_a_malformed_file_is_refused_with_what_is_wrong(broken: bytes, reason: str) -> None:
    with pytest.raises(ServingError, match=reason):
        parse_desired(broken)
