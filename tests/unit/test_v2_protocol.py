"""The protocol's requests and responses, without HTTP and without a model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.errors import RequestError
from serving.model import Contract, Prediction, softmax
from serving.v2 import MAX_BATCH, infer_response, parse_infer

CONTRACT = Contract("frames", (-1, -1, -1, 3), "logits")
LOGITS = np.array([[1.0, 3.0], [2.0, -1.0]], np.float32)
PREDICTION = Prediction(LOGITS, softmax(LOGITS), ("b", "a"))


def tensor(**changes: Any) -> dict[str, Any]:
    """Return a good tensor of one frame of 1x2 pixels, with changes."""
    return {"name": "frames", "shape": [1, 1, 2, 3], "datatype": "UINT8", "data": [0, 1, 2, 253, 254, 255], **changes}


def body(*tensors: Any, **more: Any) -> bytes:
    """Return a request of tensors."""
    return json.dumps({"inputs": list(tensors), **more}).encode()


@settings(deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=6).map(lambda shape: (*shape, 3))))
def test_frames_arrive_as_they_were_sent_flat_or_nested(frames: np.ndarray) -> None:
    for data in (frames.ravel().tolist(), frames.tolist()):
        request = parse_infer(body(tensor(shape=list(frames.shape), data=data)), CONTRACT)
        assert request.frames.dtype == np.uint8
        np.testing.assert_array_equal(request.frames, frames)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["name", "shape", "datatype", "data", "inputs", "outputs", "id"])


@settings(deadline=None, max_examples=300)
@given(keys, json_values, st.binary(max_size=40))
def test_whatever_is_sent_is_read_or_refused_with_a_reason(key: str, value: Any, raw: bytes) -> None:
    in_tensor, in_request = json.dumps({"inputs": [tensor(**{key: value})]}), json.dumps(
        {"inputs": [tensor()], key: value}
    )
    for content in (in_tensor.encode(), in_request.encode(), json.dumps(value).encode(), raw):
        try:
            assert parse_infer(content, CONTRACT).frames.shape[-1] == 3
        except RequestError as error:
            assert error.status == 400
            assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "the request: should be a JSON object"),
        (b"{}", "inputs: should be a list, is missing"),
        (body(), "one tensor named frames is expected, 0 are given"),
        (body(tensor(), tensor()), "2 are given"),
        (body(7), r"inputs\[0\]: should be a JSON object, is 7"),
        (body(tensor(name="pixels")), r"inputs\[0\].name: should be frames, is 'pixels'"),
        (body(tensor(datatype="FP32")), r"inputs\[0\].datatype: should be UINT8, is 'FP32'"),
        (
            body({"name": "frames", "datatype": "UINT8", "data": [1]}),
            r"inputs\[0\].shape: should be a list, is missing",
        ),
        (body(tensor(shape=[1, 2, 3])), r"inputs\[0\].shape: should fit \[-1, -1, -1, 3\]"),
        (body(tensor(shape=[1, 1, 6, 1])), r"inputs\[0\].shape: should fit"),
        (body(tensor(shape=[1, 1, -2, 3])), r"inputs\[0\].shape: should fit"),
        (body(tensor(shape=[True, 1, 2, 3])), r"inputs\[0\].shape: should fit"),
        (body(tensor(shape=[0, 1, 2, 3], data=[])), r"inputs\[0\].shape: should fit"),
        (body(tensor(shape=[1, 1, 10**12, 3])), r"has 6 values, inputs\[0\].shape says \[1, 1, 1000000000000, 3\]"),
        (body(tensor(shape=[MAX_BATCH + 1, 1, 1, 3])), "257 frames, 256 are allowed"),
        (body(tensor(data=None)), r"inputs\[0\].data: should be a list, is missing"),
        (body(tensor(data=[])), "whole numbers"),
        (body(tensor(data=[1, 2, 3])), "has 3 values"),
        (body(tensor(data=[[[[0, 1, 2]], [[3, 4, 5]]]])), r"has the shape \[1, 2, 1, 3\]"),
        (body(tensor(data=[[1, 2, 3], [4, 5]])), "not of equal lengths"),
        (body(tensor(data=[0, 1, 2, 3, 4, 256])), "UINT8 is 0 to 255, given 0 to 256"),
        (body(tensor(data=[0, 1, 2, 3, 4, -1])), "given -1 to 4"),
        (body(tensor(data=[0, 1, 2, 3, 4, 10**400])), "UINT8 is 0 to 255"),
        (body(tensor(data=[0, 1, 2, 3, 4, 5.0])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, True])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, "5"])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, None])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, float("nan")])), "NaN is no JSON number"),
        (body(tensor(data=[0, 1, 2, 3, 4, float("inf")])), "Infinity is no JSON number"),
        (body(tensor(), id=7), "id: should be a string"),
        (body(tensor(), id="\ud800"), "id: should be a string of characters"),
        (body(tensor(), outputs="logits"), "outputs: should be a list"),
        (body(tensor(), outputs=["logits"]), r"outputs\[0\]: should be a JSON object"),
        (body(tensor(), outputs=[{"name": "boxes"}]), "should be one of logits, probabilities, label, is 'boxes'"),
        (body(tensor(), outputs=[{"name": ["logits"]}]), r"outputs\[0\].name"),
    ],
)
def test_a_bad_request_is_refused_and_the_key_named(content: bytes, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as raised:
        parse_infer(content, CONTRACT)
    assert raised.value.status == 400


def test_a_shape_that_the_contract_fixes_is_held_to() -> None:
    with pytest.raises(RequestError, match="should fit"):
        parse_infer(body(tensor()), Contract("frames", (-1, 28, 28, 3), "logits"))


def test_all_outputs_are_answered_where_none_is_asked_for() -> None:
    response = infer_response(parse_infer(body(tensor(), id="a1"), CONTRACT), PREDICTION, "m", "3")
    assert (response["model_name"], response["model_version"], response["id"]) == ("m", "3", "a1")
    assert [output["name"] for output in response["outputs"]] == ["logits", "probabilities", "label"]
    logits, probabilities, label = response["outputs"]
    assert (logits["datatype"], logits["shape"], logits["data"]) == ("FP32", [2, 2], [1.0, 3.0, 2.0, -1.0])
    assert sum(probabilities["data"][:2]) == pytest.approx(1.0)
    assert (label["datatype"], label["shape"], label["data"]) == ("BYTES", [2], ["b", "a"])


def test_only_the_outputs_asked_for_are_answered_and_no_id_is_made_up() -> None:
    request = parse_infer(body(tensor(), outputs=[{"name": "label"}, {"name": "logits"}]), CONTRACT)
    response = infer_response(request, PREDICTION, "m", "3")
    assert [output["name"] for output in response["outputs"]] == ["label", "logits"]
    assert "id" not in response
