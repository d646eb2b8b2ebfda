"""desired.json: read, or refused with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serving.desired import Declared, parse_desired
from serving.errors import ServingError

ONE = {"package": "/p", "digest": "sha256:0", "variant": "int8"}


def content(**changes: Any) -> bytes:
    """Return a good desired.json of one model, with changes to the model."""
    good = {"deployments": {"1": ONE, "2": ONE, "3": ONE}, "traffic": {"1": 90, "2": 10}, "shadow": "3"}
    return json.dumps({"generation": 3, "models": {"m": {**good, **changes}}}).encode()


def test_a_good_file_is_read() -> None:
    desired = parse_desired(content())
    assert (desired.generation, desired.models["m"].traffic, desired.models["m"].shadow) == (3, {"1": 90, "2": 10}, "3")
    assert desired.models["m"].deployments["2"] == Declared("/p", "sha256:0", "int8", "onnxruntime")


def test_engine_and_shadow_may_be_left_out() -> None:
    models = {"one": {"deployments": {"1": {**ONE, "engine": "openvino"}, "2": ONE}, "traffic": {}}}
    desired = parse_desired(json.dumps({"generation": 0, "models": models}).encode()).models["one"]
    assert (desired.deployments["1"].engine, desired.deployments["2"].engine) == ("openvino", "onnxruntime")
    assert desired.shadow is None


def test_several_models_or_none_are_read() -> None:
    model = {"deployments": {"1": ONE}, "traffic": {"1": 100}, "shadow": None}
    content = json.dumps({"generation": 1, "models": {"one": model, "two": model}}).encode()
    assert set(parse_desired(content).models) == {"one", "two"}
    assert parse_desired(b'{"generation": 0, "models": {}}').models == {}


@pytest.mark.parametrize("traffic", [{}, {"1": 100}, {"1": 0, "2": 100}])
def test_traffic_is_nothing_or_a_hundred_percent(traffic: dict[str, int]) -> None:
    assert parse_desired(content(traffic=traffic)).models["m"].traffic == traffic


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "not JSON"),
        (content()[:-9], "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "it should be a mapping, is list"),
        (b"{}", "it should have the keys generation, models, has"),
        (b'{"generation": 1, "models": {}, "extra": 1}', "has extra"),
        (b'{"generation": 1, "models": []}', "models should be a mapping"),
        (b'{"generation": 1, "models": {"m": 1}}', "model m should be a mapping"),
        (b'{"generation": -1, "models": {}}', "generation should be"),
        (b'{"generation": "3", "models": {}}', "generation should be"),
        (content(extra=1), "has deployments, extra"),
        (content(deployments=[]), "model m: deployments should be a mapping"),
        (content(deployments={"1": "/p", "2": ONE}), "model m: deployment 1 should be a mapping"),
        (content(deployments={"1": {**ONE, "digest": None}, "2": ONE}), "deployment 1: package, digest, variant and"),
        (content(deployments={"1": {**ONE, "engine": 1}, "2": ONE}), "deployment 1: package, digest, variant and"),
        (content(deployments={"1": {"package": "/p"}, "2": ONE}), "deployment 1 should have the keys"),
        (content(deployments={"1": {**ONE, "extra": ""}, "2": ONE}), "deployment 1 should have the keys"),
        (content(traffic={"4": 100}), "version 4, which is no deployment"),
        (content(traffic={"1": 90}), "sum to 100"),
        (content(traffic={"1": 110, "2": -10}), "whole percents"),
        (content(traffic={"1": 99.5, "2": 0.5}), "whole percents"),
        (content(traffic={"1": "100"}), "whole percents"),
        (content(shadow="1"), "shadow should be a deployment without traffic, is '1'"),
        (content(shadow="4"), "shadow should be"),
        (content(shadow=["3"]), "shadow should be"),
    ],
)
def test_a_malformed_file_is_refused_with_what_is_wrong(broken: bytes, reason: str) -> None:
    with pytest.raises(ServingError, match=reason):
        parse_desired(broken)
