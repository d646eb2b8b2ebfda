"""The protocol's raw tensors: bytes after the JSON of a request, and after that of its answer."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.errors import RequestError
from serving.model import Contract, Prediction
from serving.v2.answer import Answer, infer_answer
from serving.v2.header import MAX_BATCH
from serving.v2.request import REMEMBERED_BYTES, REMEMBERED_HEADERS, InferRequest, _remembered, parse_infer

CONTRACT = Contract("frames", (-1, -1, -1, 3), "logits")
FIXED = Contract("frames", (-1, 2, 2, 3), "logits")
FRAME = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
PREDICTION = Prediction(np.array([[1.0, 3.0], [2.0, -1.0]], np.float32), ("a", "ä"))


def header(frames: np.ndarray = FRAME, outputs: Any = None, **more: Any) -> bytes:
    """Return the JSON of a request whose frames follow as bytes."""
    size = {"binary_data_size": frames.size}
    tensor = {"name": "frames", "shape": list(frames.shape), "datatype": "UINT8", "parameters": size}
    return json.dumps({"inputs": [tensor], "outputs": outputs, **more}).encode()


def parse(text: bytes, raw: bytes = FRAME.tobytes(), contract: Contract = CONTRACT) -> InferRequest:
    """Return the request of a header and the bytes after it."""
    return parse_infer(text + raw, len(text), contract)


def outputs_of(answer: Answer) -> dict[str, Any]:
    """Return an answer's outputs as a client reads them: name -> array, or list of bytes."""
    length = len(answer.body) if answer.header_length is None else answer.header_length
    said, rest = json.loads(answer.body[:length]), answer.body[length:]
    found = {}
    for output in said["outputs"]:
        if size := output.get("parameters", {}).get("binary_data_size", 0):
            raw, rest = rest[:size], rest[size:]
            values = _strings(raw) if output["datatype"] == "BYTES" else np.frombuffer(raw, "<f4")
        else:
            values = output["data"]
        found[output["name"]] = np.array(values).reshape(output["shape"])
    assert not rest
    return found


def _strings(raw: bytes) -> list[bytes]:
    found = []
    while raw:
        (size,) = struct.unpack_from("<I", raw)
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return found


@settings(deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=6).map(lambda shape: (*shape, 3))))
def test_frames_arrive_as_they_were_sent(frames: np.ndarray) -> None:
    request = parse(header(frames), frames.tobytes())
    assert request.frames.dtype == np.uint8
    np.testing.assert_array_equal(request.frames, frames)


def test_a_header_that_was_seen_before_takes_the_new_frames_and_nothing_of_the_old() -> None:
    text, other = header(id="a", parameters={"timeout": 5}), (255 - FRAME).tobytes()
    first, second = parse(text), parse(text, other)
    assert (first.frames.tobytes(), second.frames.tobytes()) == (FRAME.tobytes(), other)
    assert (second.id, second.timeout_us, second.outputs) == ("a", 5, first.outputs)
    assert parse(header(id="b", parameters={"timeout": 5}), other).id == "b"


def test_a_header_that_was_seen_before_is_held_to_another_models_contract() -> None:
    parse(header(), contract=FIXED)
    with pytest.raises(RequestError, match="should be pixels"):
        parse(header(), contract=Contract("pixels", (-1, 2, 2, 3), "logits"))


def test_what_is_remembered_of_headers_is_bounded() -> None:
    _remembered.cache_clear()
    parse(header(id="x" * REMEMBERED_BYTES))
    assert _remembered.cache_info().currsize == 0
    for number in range(REMEMBERED_HEADERS + 9):
        assert parse(header(id=str(number))).id == str(number)
    assert _remembered.cache_info().currsize == REMEMBERED_HEADERS


def test_json_of_the_whole_body_may_say_its_length() -> None:
    tensor = {"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}
    text = json.dumps({"inputs": [tensor]}).encode()
    assert parse_infer(text, len(text), CONTRACT).frames.tobytes() == b"\1\2\3"


def changed(**changes: Any) -> bytes:
    """Return the header of a request with changes to its tensor; None takes a key away."""
    said = json.loads(header())
    tensor = {**said["inputs"][0], **changes}
    said["inputs"] = [{key: value for key, value in tensor.items() if value is not None}]
    return json.dumps(said).encode()


SIZE = r"inputs\[0\].parameters.binary_data_size"


@pytest.mark.parametrize(
    ("text", "raw", "length", "reason"),
    [
        (header(), FRAME.tobytes(), -1, "Inference-Header-Content-Length: is -1, the body has"),
        (header(), FRAME.tobytes(), 10**9, "Inference-Header-Content-Length: is 1000000000, the body has"),
        (header(), FRAME.tobytes(), len(header()) - 1, "not JSON"),
        (header(), FRAME.tobytes(), len(header()) + 1, "not JSON"),
        (header(), FRAME.tobytes(), None, "not JSON"),
        (header(), FRAME.tobytes()[1:], len(header()), f"{SIZE}: is 12, 11 bytes follow the JSON"),
        (header(), FRAME.tobytes() + b"\0", len(header()), f"{SIZE}: is 12, 13 bytes follow the JSON"),
        (header(), b"", len(header()), f"{SIZE}: is 12, 0 bytes follow the JSON"),
        (header(), b"", None, f"{SIZE}: is 12, 0 bytes follow the JSON"),
        (changed(parameters={"binary_data_size": 11}), FRAME.tobytes()[1:], ..., f"{SIZE}: is 11, inputs"),
        (changed(parameters={"binary_data_size": -12}), FRAME.tobytes(), ..., f"{SIZE}: should be a whole number"),
        (changed(parameters={"binary_data_size": 12.0}), FRAME.tobytes(), ..., f"{SIZE}: should be a whole number"),
        (changed(parameters={"binary_data_size": "12"}), FRAME.tobytes(), ..., f"{SIZE}: should be a whole number"),
        (changed(shape=[1, 2**40, 2**40, 3]), FRAME.tobytes(), ..., f"{SIZE}: is 12, inputs"),
        (changed(data=[1]), FRAME.tobytes(), ..., r"inputs\[0\].data: is given beside binary_data_size"),
        (changed(parameters=None, data=[0] * 12), FRAME.tobytes(), ..., f"{SIZE}: is missing, and bytes follow"),
        (changed(parameters=None), FRAME.tobytes(), ..., r"inputs\[0\].data: should be a list, is missing"),
        (changed(datatype="FP32"), FRAME.tobytes(), ..., r"inputs\[0\].datatype: should be UINT8"),
        (changed(shape=[MAX_BATCH + 1, 1, 1, 3]), FRAME.tobytes(), ..., "257 frames, 256 are allowed"),
    ],
)
def test_sizes_that_do_not_add_up_are_refused(text: bytes, raw: bytes, length: Any, reason: str) -> None:
    for _ in range(2):  # a header that was refused is refused again
        with pytest.raises(RequestError, match=reason) as raised:
            parse_infer(text + raw, len(text) if length is ... else length, CONTRACT)
        assert raised.value.status == 400


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.none() | st.integers(-2, 70), st.sampled_from([CONTRACT, FIXED]))
def test_any_bytes_under_any_length_are_read_or_refused(body: bytes, length: int | None, contract: Contract) -> None:
    try:
        request = parse_infer(body, length, contract)
    except RequestError as error:
        assert error.status == 400 and "\n" not in str(error)
    else:
        assert (contract, length) == (FIXED, 0)
        assert request.frames.tobytes() == body


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_good_request_with_one_byte_changed_is_read_or_refused(data: st.DataObject) -> None:
    text = header(id="a", outputs=[{"name": "label", "parameters": {"binary_data": True}}])
    body = bytearray(text + FRAME.tobytes())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        request = parse_infer(bytes(body), len(text) + data.draw(st.integers(-1, 1)), CONTRACT)
    except RequestError as error:
        assert error.status == 400 and "\n" not in str(error)
    else:
        assert outputs_of(infer_answer(request, PREDICTION, "m", "3"))


def test_a_length_of_0_says_that_the_body_is_frames_and_nothing_else() -> None:
    request = parse_infer(FRAME.tobytes() * 2, 0, FIXED)
    assert request.frames.shape == (2, 2, 2, 3)
    answer = infer_answer(request, PREDICTION, "m", "3")
    assert answer.content_type == "application/octet-stream"
    assert list(outputs_of(answer)) == ["logits", "probabilities", "label"]


@pytest.mark.parametrize(
    ("body", "contract", "reason"),
    [
        (FRAME.tobytes(), CONTRACT, "0 is for a model whose frames have one size"),
        (b"", FIXED, "0 bytes are not 1 to 256 frames"),
        (bytes(13), FIXED, "13 bytes are not 1 to 256 frames"),
        (bytes(12 * 257), FIXED, "3084 bytes are not 1 to 256 frames"),
        (bytes(24), Contract("frames", (1, 2, 2, 3), "logits"), "24 bytes are not"),
    ],
)
def test_raw_frames_that_do_not_fit_are_refused(body: bytes, contract: Contract, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        parse_infer(body, 0, contract)


def answered(outputs: Any, prediction: Prediction = PREDICTION, **more: Any) -> Answer:
    """Return the answer to a request for outputs."""
    return infer_answer(parse(header(outputs=outputs, **more)), prediction, "m", "3")


def wanted(name: str, **parameters: Any) -> dict[str, Any]:
    """Return the entry of a request's outputs."""
    return {"name": name, "parameters": parameters}


@settings(deadline=None)
@given(
    arrays.arrays(
        np.float32, arrays.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-(2.0**126), 2.0**126, width=32)
    )
)
def test_raw_numbers_are_the_models_to_the_last_bit(logits: np.ndarray) -> None:
    prediction = Prediction(logits, tuple(map(str, range(logits.shape[1]))))
    found = outputs_of(answered([wanted(name, binary_data=True) for name in ("logits", "probabilities")], prediction))
    np.testing.assert_array_equal(found["logits"], logits)
    np.testing.assert_array_equal(found["probabilities"], prediction.probabilities)


def test_raw_and_json_outputs_go_into_one_answer_in_the_order_asked() -> None:
    asked = [wanted("label", binary_data=True), wanted("probabilities"), wanted("logits", binary_data=True)]
    answer = answered(asked, id="7")
    assert answer.header_length is not None and answer.content_type == "application/octet-stream"
    said = json.loads(answer.body[: answer.header_length])
    assert (said["model_name"], said["model_version"], said["id"]) == ("m", "3", "7")
    assert [output.get("parameters") for output in said["outputs"]] == [
        {"binary_data_size": 4 + 2 + 4 + 1},
        None,
        {"binary_data_size": 16},
    ]
    found = outputs_of(answer)
    assert found["label"].tolist() == ["ä".encode(), b"a"]
    np.testing.assert_array_equal(found["logits"], PREDICTION.logits)
    np.testing.assert_array_equal(found["probabilities"].astype(np.float32), PREDICTION.probabilities)


def test_binary_data_output_holds_for_the_outputs_that_do_not_say() -> None:
    answer = answered([wanted("logits"), wanted("label", binary_data=False)], parameters={"binary_data_output": True})
    said = json.loads(answer.body[: answer.header_length])
    assert [("data" in output) for output in said["outputs"]] == [False, True]
    everything = answered(None, parameters={"binary_data_output": True})
    assert len(everything.body) == everything.header_length + 16 + 16 + 11


def test_the_best_classes_are_named_in_bytes_too() -> None:
    found = outputs_of(answered([wanted("logits", classification=1, binary_data=True)]))
    assert found["logits"].tolist() == [["3.000000:1:ä".encode()], [b"2.000000:0:a"]]


def test_answers_of_one_shape_differ_in_id_model_and_version() -> None:
    text = [wanted("logits", binary_data=True)]
    for identity, model, version in [
        ("1", "m", "3"),
        ("2", "m", "3"),
        (None, "m", "3"),
        ("1", "n", "3"),
        ("1", "m", "4"),
    ]:
        answer = infer_answer(parse(header(outputs=text, id=identity)), PREDICTION, model, version)
        said = json.loads(answer.body[: answer.header_length])
        assert (said.get("id"), said["model_name"], said["model_version"]) == (identity, model, version)
        np.testing.assert_array_equal(outputs_of(answer)["logits"], PREDICTION.logits)


def test_rows_of_a_larger_batch_are_answered_like_a_batch_of_their_own() -> None:
    answer = answered([wanted("logits", binary_data=True), wanted("probabilities")], PREDICTION.rows(1, 2))
    np.testing.assert_array_equal(outputs_of(answer)["logits"], [[2.0, -1.0]])
