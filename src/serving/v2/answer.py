"""The answer to an inference request: a prediction to a body of JSON, with raw bytes after it where they are asked for.

Where all is raw numbers, the JSON depends on the shape alone and is made once. Numbers in JSON are those of the
float32 to the last bit; that they are finite is Model.predict's word.

Sources: inference_rest.md of the protocol; Triton's extension_binary_data.md and extension_classification.md, and for
the format of a class, "value:index:label" with six decimals, Triton's src/classification.cc.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from serving.model import Prediction
from serving.v2.outputs import OUTPUTS, RequestedOutput
from serving.v2.request import InferRequest

JSON = "application/json"
BINARY = "application/octet-stream"
REMEMBERED_ANSWERS = 512

Outputs = tuple[RequestedOutput, ...]


class Answer(NamedTuple):
    """A body, its Content-Type, and its Inference-Header-Content-Length: None where no raw bytes follow the JSON."""

    body: bytes
    content_type: str
    header_length: int | None


def infer_answer(request: InferRequest, prediction: Prediction, model: str, version: str) -> Answer:
    """Return the body that answers a request by the prediction for its frames."""
    outputs = request.outputs
    count, classes = prediction.logits.shape
    start = _raw_numbers(model, version, outputs, count, classes)
    if start is not None:
        raw = [_numbers(output.name, prediction).tobytes() for output in outputs]
    else:
        tensors = [_tensor(output, prediction) for output in outputs]
        raw = [content for _, content in tensors if content is not None]
        start = _start(model, version, [said for said, _ in tensors])
    head = start + (b"}" if request.id is None else b',"id":%b}' % orjson.dumps(request.id))
    return Answer(b"".join((head, *raw)), BINARY, len(head)) if raw else Answer(head, JSON, None)


@lru_cache(maxsize=REMEMBERED_ANSWERS)
def _raw_numbers(model: str, version: str, outputs: Outputs, count: int, classes: int) -> bytes | None:
    """Return the start of the JSON where all outputs are raw numbers, whose sizes their shape tells; else None."""
    if not all(one.is_binary and OUTPUTS[one.name] == "FP32" and not one.classes for one in outputs):
        return None
    size = count * classes * np.dtype(np.float32).itemsize
    return _start(model, version, [_said(one.name, "FP32", [count, classes], size) for one in outputs])


def _start(model: str, version: str, outputs: list[dict[str, Any]]) -> bytes:
    # Without the last brace: the id is new with each request.
    named = {"model_name": model, "model_version": version, "outputs": outputs}
    return orjson.dumps(named, option=orjson.OPT_SERIALIZE_NUMPY)[:-1]


def _said(name: str, datatype: str, shape: list[int], binary_size: int | None) -> dict[str, Any]:
    said = {"name": name, "datatype": datatype, "shape": shape}
    return said if binary_size is None else {**said, "parameters": {"binary_data_size": binary_size}}


def _tensor(output: RequestedOutput, prediction: Prediction) -> tuple[dict[str, Any], bytes | None]:
    """Return what the JSON says of an output, and its raw bytes; None where the JSON says the values too."""
    count, classes = prediction.logits.shape
    if output.name == "label":
        return _strings(output, [count], prediction.labels)
    if output.classes:
        most = min(output.classes, classes)
        names, best = prediction.classes, _best(output.name, prediction, most)
        return _strings(output, [count, most], [f"{value:f}:{index}:{names[index]}" for index, value in best])
    numbers = _numbers(output.name, prediction)
    if output.is_binary:
        return _said(output.name, "FP32", [count, classes], numbers.nbytes), numbers.tobytes()
    # As doubles: a float32's own shortest digits, read as a double and rounded, may be its neighbour.
    return {**_said(output.name, "FP32", [count, classes], None), "data": numbers.astype(np.float64).ravel()}, None


def _strings(
    output: RequestedOutput, shape: list[int], values: list[str] | tuple[str, ...]
) -> tuple[dict[str, Any], bytes | None]:
    if not output.is_binary:
        return {**_said(output.name, "BYTES", shape, None), "data": values}, None
    encoded = [value.encode() for value in values]
    raw = b"".join([len(value).to_bytes(4, "little") + value for value in encoded])
    return _said(output.name, "BYTES", shape, len(raw)), raw


def _numbers(name: str, prediction: Prediction) -> NDArray[np.float32]:
    return prediction.logits if name == "logits" else prediction.probabilities


def _best(name: str, prediction: Prediction, most: int) -> list[tuple[int, float]]:
    """Return columns and values of the `most` largest of each row, largest first, the first of equals first."""
    if most == 1 and name == "probabilities":
        return prediction.top
    numbers = _numbers(name, prediction)
    order = np.argsort(-numbers, axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(numbers, order, axis=1)
    return list(zip(order.ravel().tolist(), values.ravel().tolist(), strict=True))
