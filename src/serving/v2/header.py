"""The JSON part of an inference request: all that it says, checked, but for the values of its tensor.

It does not know where the JSON came from or what follows it: serving.v2.request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from serving.errors import RequestError
from serving.model import Contract
from serving.v2.outputs import RequestedOutput, requested_outputs
from serving.v2.values import as_list, as_object, flag, loads, parameters_of, short, whole_number

MAX_BATCH = 256  # a frame of one pixel costs the model as much as a large one


@dataclass(frozen=True)
class Header:
    """A valid header. `data` holds a tensor's JSON values as they were sent, None where raw bytes follow the JSON."""

    shape: tuple[int, ...]
    data: list[Any] | None
    outputs: tuple[RequestedOutput, ...]
    id: str | None
    timeout_us: int | None


def read_header(text: bytes, contract: Contract) -> Header:
    """Return what the JSON of a request says. Raises RequestError 400, naming the key."""
    request = as_object(loads(text), "the request")
    inputs = as_list(request.get("inputs"), "inputs")
    if len(inputs) != 1:
        raise RequestError(400, f"inputs: one tensor named {contract.input_name} is expected, {len(inputs)} are given")
    shape, data = _tensor(as_object(inputs[0], "inputs[0]"), contract)
    parameters = parameters_of(request, "")
    outputs = requested_outputs(request.get("outputs"), flag(parameters, "binary_data_output", "") or False)
    timeout = whole_number(parameters, "timeout", 0, "") or None  # 0 is Triton's word for none
    return Header(shape, data, outputs, _identity(request.get("id")), timeout)


def _tensor(tensor: dict[str, Any], contract: Contract) -> tuple[tuple[int, ...], list[Any] | None]:
    if tensor.get("name") != contract.input_name:
        raise RequestError(400, f"inputs[0].name: should be {contract.input_name}, is {short(tensor.get('name'))}")
    if tensor.get("datatype") != "UINT8":
        raise RequestError(400, f"inputs[0].datatype: should be UINT8, is {short(tensor.get('datatype'))}")
    shape = _shape(tensor.get("shape"), contract.input_shape)
    parameters = parameters_of(tensor, "inputs[0].")
    if "shared_memory_region" in parameters:
        raise RequestError(400, "inputs[0].parameters.shared_memory_region: shared memory is not served")
    size = whole_number(parameters, "binary_data_size", 0, "inputs[0].")
    if size is None:
        return shape, as_list(tensor.get("data"), "inputs[0].data")
    if "data" in tensor:
        raise RequestError(400, "inputs[0].data: is given beside binary_data_size: leave one of them out")
    if size != math.prod(shape):
        where = "inputs[0].parameters.binary_data_size"
        raise RequestError(400, f"{where}: is {size}, inputs[0].shape {short(list(shape))} is another number of bytes")
    return shape, None


def _shape(given: Any, expected: tuple[int, ...]) -> tuple[int, ...]:
    sizes = tuple(as_list(given, "inputs[0].shape"))
    good = all(type(size) is int and size > 0 for size in sizes)
    fits = len(sizes) == len(expected) and all(e in (-1, s) for s, e in zip(sizes, expected, strict=True))
    if not good or not fits:
        raise RequestError(400, f"inputs[0].shape: should fit {list(expected)}, -1 for any size, is {short(given)}")
    if sizes[0] > MAX_BATCH:
        raise RequestError(400, f"inputs[0].shape: {sizes[0]} frames, {MAX_BATCH} are allowed in one request")
    return sizes


def _identity(given: Any) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise RequestError(400, f"id: should be a string, is {short(given)}")
