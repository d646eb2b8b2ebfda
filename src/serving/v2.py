"""The Open Inference Protocol v2, REST with JSON tensors: requests to frames, predictions to responses. No I/O.

Specification: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md). Tensors
travel as JSON numbers, flat or nested, in row-major order; the binary tensor extension is not spoken.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import RequestError
from serving.model import Contract, Model, Prediction

PLATFORM = "onnxruntime_onnx"
MAX_BATCH = 256  # a frame of one pixel costs the model as much as a large one

# Name of an output -> its datatype and its values in row-major order.
OUTPUTS: dict[str, tuple[str, Callable[[Prediction], list[Any]]]] = {
    "logits": ("FP32", lambda prediction: prediction.logits.ravel().tolist()),
    "probabilities": ("FP32", lambda prediction: prediction.probabilities.ravel().tolist()),
    "label": ("BYTES", lambda prediction: list(prediction.labels)),
}


@dataclass(frozen=True)
class InferRequest:
    """A valid request: frames, uint8 [n, height, width, 3], the outputs asked for, and the id to answer with."""

    frames: NDArray[np.uint8]
    outputs: tuple[str, ...]
    id: str | None


def parse_infer(body: bytes, contract: Contract) -> InferRequest:
    """Return the request that a body holds. Raises RequestError 400, naming the key, on anything else."""
    request = _object(_loads(body), "the request")
    inputs = _list(request.get("inputs"), "inputs")
    if len(inputs) != 1:
        raise RequestError(400, f"inputs: one tensor named {contract.input_name} is expected, {len(inputs)} are given")
    frames = _frames(_object(inputs[0], "inputs[0]"), contract)
    return InferRequest(frames, _output_names(request.get("outputs")), _identity(request.get("id")))


def infer_response(request: InferRequest, prediction: Prediction, model: str, version: str) -> dict[str, Any]:
    """Return the body that answers an inference request."""
    outputs = [_output(name, prediction) for name in request.outputs]
    response = {"model_name": model, "model_version": version, "outputs": outputs}
    return response if request.id is None else {**response, "id": request.id}


def model_metadata(name: str, versions: Sequence[str], model: Model) -> dict[str, Any]:
    """Return the body that describes a model; -1 stands for any size."""
    classes = len(model.labels)
    shapes = {"logits": [-1, classes], "probabilities": [-1, classes], "label": [-1]}
    frames = {"name": model.contract.input_name, "datatype": "UINT8", "shape": list(model.contract.input_shape)}
    outputs = [{"name": name, "datatype": OUTPUTS[name][0], "shape": shape} for name, shape in shapes.items()]
    return {"name": name, "versions": list(versions), "platform": PLATFORM, "inputs": [frames], "outputs": outputs}


def _identity(given: Any) -> str | None:
    # A lone surrogate can be said in JSON but not in UTF-8, in which the answer has to repeat it.
    if given is None or (isinstance(given, str) and given.encode(errors="ignore").decode() == given):
        return given
    raise RequestError(400, f"id: should be a string of characters, is {_short(given)}")


def _frames(tensor: dict[str, Any], contract: Contract) -> NDArray[np.uint8]:
    if tensor.get("name") != contract.input_name:
        raise RequestError(400, f"inputs[0].name: should be {contract.input_name}, is {_short(tensor.get('name'))}")
    if tensor.get("datatype") != "UINT8":
        raise RequestError(400, f"inputs[0].datatype: should be UINT8, is {_short(tensor.get('datatype'))}")
    shape = _shape(tensor.get("shape"), contract.input_shape)
    values = _values(_list(tensor.get("data"), "inputs[0].data"))
    if values.size != math.prod(shape) or (values.ndim > 1 and values.shape != shape):
        given = f"{values.size} values" if values.ndim == 1 else f"the shape {list(values.shape)}"
        raise RequestError(400, f"inputs[0].data: has {given}, inputs[0].shape says {list(shape)}")
    return _bytes(values.ravel().tolist()).reshape(shape)


def _shape(given: Any, expected: tuple[int, ...]) -> tuple[int, ...]:
    sizes = tuple(_list(given, "inputs[0].shape"))
    good = all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes)
    fits = len(sizes) == len(expected) and all(e in (-1, s) for s, e in zip(sizes, expected, strict=True))
    if not good or not fits:
        raise RequestError(400, f"inputs[0].shape: should fit {list(expected)}, -1 for any size, is {_short(given)}")
    if sizes[0] > MAX_BATCH:
        raise RequestError(400, f"inputs[0].shape: {sizes[0]} frames, {MAX_BATCH} are allowed in one request")
    return sizes


def _values(data: list[Any]) -> NDArray[np.object_]:
    # As objects: NumPy would make strings of everything where one is among numbers, at the length of the longest.
    values = np.array(data, dtype=object)
    kinds = set(map(type, values.ravel().tolist()))
    if list in kinds:
        raise RequestError(400, "inputs[0].data: the nested lists are not of equal lengths")
    if kinds != {int}:
        raise RequestError(400, "inputs[0].data: UINT8 holds whole numbers from 0 to 255 and nothing else")
    return values


def _bytes(values: list[int]) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(bytes(values), np.uint8)
    except ValueError:
        raise RequestError(400, f"inputs[0].data: UINT8 is 0 to 255, given {min(values)} to {max(values)}") from None


def _output_names(asked: Any) -> tuple[str, ...]:
    if asked is None or asked == []:
        return tuple(OUTPUTS)
    return tuple(_output_name(item, f"outputs[{index}]") for index, item in enumerate(_list(asked, "outputs")))


def _output_name(item: Any, where: str) -> str:
    name = _object(item, where).get("name")
    if not isinstance(name, str) or name not in OUTPUTS:
        raise RequestError(400, f"{where}.name: should be one of {', '.join(OUTPUTS)}, is {_short(name)}")
    return name


def _output(name: str, prediction: Prediction) -> dict[str, Any]:
    datatype, values = OUTPUTS[name]
    count, classes = prediction.logits.shape
    shape = [count] if name == "label" else [count, classes]
    return {"name": name, "datatype": datatype, "shape": shape, "data": values(prediction)}


def _loads(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(400, f"{where}: should be a JSON object, is {_short(value)}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise RequestError(400, f"{where}: should be a list, is {'missing' if value is None else _short(value)}")
    return value


def _short(value: Any) -> str:
    return reprlib.repr(value)
