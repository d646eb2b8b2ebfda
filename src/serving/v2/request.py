"""An inference request of the Open Inference Protocol: a body to frames, and what is to be answered.

A client's requests differ in their frames and seldom in anything else, so the JSON before raw bytes is parsed once.

Sources: inference_rest.md of the protocol, and Triton's extension_binary_data.md: raw bytes after the JSON, whose
length is in the header Inference-Header-Content-Length; 0 there says that the body is the raw tensor and nothing else.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.errors import RequestError
from serving.model import Contract
from serving.v2.header import MAX_BATCH, Header, read_header
from serving.v2.outputs import RequestedOutput, all_outputs
from serving.v2.tensor import frames_of

LENGTH_HEADER = "Inference-Header-Content-Length"
REMEMBERED_HEADERS = 512  # of at most so many bytes each: 2 MB in all
REMEMBERED_BYTES = 4096


class InferRequest(NamedTuple):
    """A valid request: frames, uint8 [n, height, width, 3], read-only; the outputs to answer; the id to answer with.

    `timeout_us` is Triton's parameter `timeout`: the answer is of no use after so many microseconds.
    """

    frames: NDArray[np.uint8]
    outputs: tuple[RequestedOutput, ...]
    id: str | None
    timeout_us: int | None


def parse_infer(body: bytes, header_length: int | None, contract: Contract) -> InferRequest:
    """Return the request that a body holds; `header_length` is Inference-Header-Content-Length, None without one.

    Raises RequestError 400, naming the key, on anything that is not a request for a model of this contract.
    """
    if header_length is None or header_length == len(body) > 0:
        return _from_json(body, contract)
    if not 0 <= header_length <= len(body):
        raise RequestError(400, f"{LENGTH_HEADER}: is {header_length}, the body has {len(body)} bytes")
    if header_length == 0:
        return _from_bytes(body, contract)
    read = _remembered if header_length <= REMEMBERED_BYTES else _read
    header = read(body[:header_length], contract)
    try:
        frames = np.frombuffer(body, np.uint8, offset=header_length).reshape(header.shape)
    except ValueError:
        raise _wrong_size(len(body) - header_length, math.prod(header.shape)) from None
    return InferRequest(frames, header.outputs, header.id, header.timeout_us)


def _from_json(body: bytes, contract: Contract) -> InferRequest:
    header = read_header(body, contract)
    if header.data is None:
        raise _wrong_size(0, math.prod(header.shape))
    return InferRequest(frames_of(header.data, header.shape), header.outputs, header.id, header.timeout_us)


def _from_bytes(body: bytes, contract: Contract) -> InferRequest:
    sizes = contract.input_shape[1:]
    if min(sizes) < 0:
        hint = f"the sizes {list(contract.input_shape)} are not all fixed: send a JSON header"
        raise RequestError(400, f"{LENGTH_HEADER}: 0 is for a model whose frames have one size, {hint}")
    count, rest = divmod(len(body), math.prod(sizes))
    if rest or not 0 < count <= MAX_BATCH or contract.input_shape[0] not in (-1, count):
        raise RequestError(400, f"the body: {len(body)} bytes are not 1 to {MAX_BATCH} frames of {list(sizes)}")
    return InferRequest(np.frombuffer(body, np.uint8).reshape(count, *sizes), all_outputs(is_binary=True), None, None)


def _read(text: bytes, contract: Contract) -> Header:
    header = read_header(text, contract)
    if header.data is not None:
        raise RequestError(400, "inputs[0].parameters.binary_data_size: is missing, and bytes follow the JSON")
    return header


_remembered = lru_cache(maxsize=REMEMBERED_HEADERS)(_read)


def _wrong_size(given: int, size: int) -> RequestError:
    reason = f"{given} bytes follow the JSON ({LENGTH_HEADER} says where it ends)"
    return RequestError(400, f"inputs[0].parameters.binary_data_size: is {size}, {reason}")
