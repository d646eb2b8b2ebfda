"""The protocol's requests and answers with JSON tensors, without HTTP and without a model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.errors import RequestError
from serving.model import Contract, Prediction
from serving.v2.answer import infer_answer
from serving.v2.header import MAX_BATCH
from serving.v2.request import InferRequest, parse_infer

CONTRACT = Contract("frames", (-1, -1, -1, 3), "logits")
PREDICTION = Prediction(np.array([[1.0, 3.0], [2.0, -1.0]], np.float32), ("a", "b"))
PIXELS = [0, 1, 2, 253, 254, 255]


def tensor(**changes: Any) -> dict[str, Any]:
    """Return a good tensor of one frame of 1x2 pixels, with changes."""
    return {"name": "frames", "shape": [1, 1, 2, 3], "datatype": "UINT8", "data": PIXELS, **changes}


def body(*tensors: Any, **more: Any) -> bytes:
    """Return a request of tensors."""
    return json.dumps({"inputs": list(tensors), **more}).encode()


def asking(**output: Any) -> bytes:
    """Return a good request that asks for one output."""
    return body(tensor(), outputs=[{"name": "logits", **output}])


def parse(content: bytes) -> InferRequest:
    """Return the request of a body that is JSON alone."""
    return parse_infer(content, None, CONTRACT)


def answer(content: bytes, prediction: Prediction = PREDICTION) -> dict[str, Any]:
    """Return the JSON that answers a request."""
    made = infer_answer(parse(content), prediction, "m", "3")
    assert (made.content_type, made.header_length) == ("application/json", None)
    return json.loads(made.body)


@settings(deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=6).map(lambda shape: (*shape, 3))))
def test_frames_arrive_as_they_were_sent_flat_or_nested(frames: np.ndarray) -> None:
    for data in (frames.ravel().tolist(), frames.tolist()):
        request = parse(body(tensor(shape=list(frames.shape), data=data)))
        assert request.frames.dtype == np.uint8
        np.testing.assert_array_equal(request.frames, frames)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["name", "shape", "datatype", "data", "inputs", "outputs", "id", "parameters"])


@settings(deadline=None, max_examples=300)
@given(keys, json_values, st.binary(max_size=40), st.none() | st.integers(-3, 200))
def test_whatever_is_sent_is_read_or_refused_with_a_reason(
    key: str, value: Any, raw: bytes, length: int | None
) -> None:
    requests: list[Any] = [{"inputs": [tensor(**{key: value})]}, {"inputs": [tensor()], key: value}, value]
    for content in [json.dumps(one).encode() for one in requests] + [raw, body(tensor()) + raw]:
        try:
            request = parse_infer(content, length, CONTRACT)
        except RequestError as error:
            assert error.status == 400
            assert str(error) and "\n" not in str(error) and len(str(error)) < 500
        else:
            assert request.frames.shape[-1] == 3
            assert infer_answer(request, PREDICTION, "m", "3").body


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
        (body(tensor(shape=[1.0, 1, 2, 3])), r"inputs\[0\].shape: should fit"),
        (body(tensor(shape=[0, 1, 2, 3], data=[])), r"inputs\[0\].shape: should fit"),
        (body(tensor(shape=[1, 1, 10**12, 3])), r"has 6 values, inputs\[0\].shape says \[1, 1, 1000000000000, 3\]"),
        (body(tensor(shape=[MAX_BATCH + 1, 1, 1, 3])), "257 frames, 256 are allowed"),
        (body(tensor(data=None)), r"inputs\[0\].data: should be a list, is missing"),
        (body(tensor(data=[])), "has 0 values"),
        (body(tensor(data=[1, 2, 3])), "has 3 values"),
        (body(tensor(data=[[[[0, 1, 2]], [[3, 4, 5]]]])), r"not nested as inputs\[0\].shape \[1, 1, 2, 3\] says"),
        (body(tensor(data=[[1, 2, 3], [4, 5]])), "not nested as"),
        (body(tensor(data=[[[[0, 1, 2], 7]]])), "not nested as"),
        (body(tensor(data=[[[[0, 1, 2], [3, 4, [5]]]]])), "whole numbers"),
        (body(tensor(data=[0, [1, 2, 3, 4, 5]])), "has 2 values"),
        (body(tensor(data=[0, 1, 2, 3, 4, 256])), "UINT8 is 0 to 255, given 0 to 256"),
        (body(tensor(data=[0, 1, 2, 3, 4, -1])), "given -1 to 4"),
        (body(tensor(data=[0, 1, 2, 3, 4, 2**64])), "UINT8 is 0 to 255, given 0 to 18446744073709551616"),
        (body(tensor(data=[0, 1, 2, 3, 4, 10**400])), "not JSON"),
        (body(tensor(data=[0, 1, 2, 3, 4, 1e300])), "UINT8 is 0 to 255"),
        (body(tensor(data=[0, 1, 2, 3, 4, 5.5])), "whole numbers"),
        (body(tensor(data=[0.0, 1.0, 2.0, 3.0, 4.0, True])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, True])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, "5"])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, None])), "whole numbers"),
        (body(tensor(data=[0, 1, 2, 3, 4, float("nan")])), "not JSON"),
        (body(tensor(data=[0, 1, 2, 3, 4, float("inf")])), "not JSON"),
        (body(tensor(parameters=7)), r"inputs\[0\].parameters: should be a JSON object"),
        (body(tensor(parameters={"shared_memory_region": "a"})), "shared memory is not served"),
        (body(tensor(), id=7), "id: should be a string"),
        (body(tensor(), id="\ud800"), "not JSON"),
        (body(tensor(), parameters=[]), "parameters: should be a JSON object"),
        (body(tensor(), parameters={"timeout": -1}), "parameters.timeout: should be a whole number from 0, is -1"),
        (body(tensor(), parameters={"timeout": True}), "parameters.timeout"),
        (body(tensor(), parameters={"timeout": 1.5}), "parameters.timeout"),
        (body(tensor(), parameters={"binary_data_output": 1}), "binary_data_output: should be true or false, is 1"),
        (body(tensor(), outputs="logits"), "outputs: should be a list"),
        (body(tensor(), outputs=["logits"]), r"outputs\[0\]: should be a JSON object"),
        (body(tensor(), outputs=[{"name": "boxes"}]), "should be one of logits, probabilities, label, is 'boxes'"),
        (body(tensor(), outputs=[{"name": ["logits"]}]), r"outputs\[0\].name"),
        (body(tensor(), outputs=[{"name": "label"}] * 2), r"outputs\[1\].name: label is asked for twice"),
        (asking(parameters="binary"), r"outputs\[0\].parameters: should be a JSON object"),
        (asking(parameters={"binary_data": "yes"}), r"outputs\[0\].parameters.binary_data: should be true or false"),
        (asking(parameters={"classification": -1}), r"outputs\[0\].parameters.classification: should be a whole"),
        (asking(parameters={"classification": True}), r"outputs\[0\].parameters.classification"),
        (asking(name="label", parameters={"classification": 2}), "label is not a tensor of numbers"),
        (asking(parameters={"shared_memory_region": "a"}), "shared memory is not served"),
    ],
)
def test_a_bad_request_is_refused_and_the_key_named(content: bytes, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as raised:
        parse(content)
    assert raised.value.status == 400


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert parse(body(tensor(data=[0.0, 1.0, 2, 253.0, 254.0, 255.0]))).frames.ravel().tolist() == PIXELS


def test_a_shape_that_the_contract_fixes_is_held_to() -> None:
    with pytest.raises(RequestError, match="should fit"):
        parse_infer(body(tensor()), None, Contract("frames", (-1, 28, 28, 3), "logits"))


def test_all_outputs_are_answered_where_none_is_asked_for() -> None:
    for asked in ({}, {"outputs": []}, {"outputs": None}):
        response = answer(body(tensor(), id="a1", **asked))
        assert (response["model_name"], response["model_version"], response["id"]) == ("m", "3", "a1")
        assert [output["name"] for output in response["outputs"]] == ["logits", "probabilities", "label"]
        logits, probabilities, label = response["outputs"]
        assert (logits["datatype"], logits["shape"], logits["data"]) == ("FP32", [2, 2], [1.0, 3.0, 2.0, -1.0])
        assert sum(probabilities["data"][:2]) == pytest.approx(1.0)
        assert (label["datatype"], label["shape"], label["data"]) == ("BYTES", [2], ["b", "a"])


def test_only_the_outputs_asked_for_are_answered_and_no_id_is_made_up() -> None:
    response = answer(body(tensor(), outputs=[{"name": "label"}, {"name": "logits"}]))
    assert [output["name"] for output in response["outputs"]] == ["label", "logits"]
    assert "id" not in response


@pytest.mark.parametrize("identity", ["", 'a"}', "ä\n\u2028", "\x00", "😀"])
def test_an_id_comes_back_as_it_was_sent(identity: str) -> None:
    assert answer(body(tensor(), id=identity))["id"] == identity


@settings(deadline=None)
@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-(2.0**126), 2.0**126, width=32)))
def test_numbers_in_json_are_the_models_to_the_last_bit(logits: np.ndarray) -> None:
    prediction = Prediction(logits, tuple("abcd"))
    for output in answer(body(tensor()), prediction)["outputs"][:2]:
        values = np.array(output["data"], np.float32).reshape(output["shape"])
        np.testing.assert_array_equal(values, getattr(prediction, output["name"]))


def test_a_number_whose_shortest_digits_name_its_neighbour_is_exact() -> None:
    value = np.float32(7.038531e-26)
    (output,) = answer(asking(), Prediction(np.array([[value]]), ("a",)))["outputs"]
    assert np.float32(output["data"][0]) == value


@pytest.mark.parametrize(("given", "wanted"), [(None, None), (0, None), (250_000, 250_000)])
def test_a_timeout_is_in_microseconds_and_0_is_none(given: int | None, wanted: int | None) -> None:
    assert parse(body(tensor(), parameters={"timeout": given})).timeout_us == wanted


def test_parameters_that_mean_nothing_here_are_let_pass() -> None:
    request = parse(body(tensor(parameters={"content_type": "np"}), parameters={"priority": 1, "trace": "on"}))
    assert request.timeout_us is None


def test_the_best_classes_are_named_with_value_index_and_label() -> None:
    prediction = Prediction(np.array([[1.1, 3.3, 0.5, 2.4], [7, 0, 7, 0]], np.float32), ("a", "b:c", "d", "e"))
    (output,) = answer(asking(parameters={"classification": 2}), prediction)["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    assert output["data"] == ["3.300000:1:b:c", "2.400000:3:e", "7.000000:0:a", "7.000000:2:d"]


def test_no_more_classes_are_named_than_there_are() -> None:
    (output,) = answer(asking(name="probabilities", parameters={"classification": 10**18}))["outputs"]
    assert output["shape"] == [2, 2]
    assert output["data"][0].split(":")[1:] == ["1", "b"]


def test_a_classification_of_none_is_the_tensor_itself() -> None:
    (output,) = answer(asking(parameters={"classification": 0}))["outputs"]
    assert (output["datatype"], output["data"]) == ("FP32", [1.0, 3.0, 2.0, -1.0])
