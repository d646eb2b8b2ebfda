"""The values of a UINT8 tensor that came as JSON numbers, flat or nested, in row-major order."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import RequestError
from serving.v2.values import short

WHERE = "inputs[0].data"


def frames_of(data: list[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a tensor of `shape`. Raises RequestError 400 where the values are of another kind, number or nesting."""
    values = _flattened(data, shape) if data and isinstance(data[0], list) else data
    if len(values) != math.prod(shape):
        raise RequestError(400, f"{WHERE}: has {len(values)} values, inputs[0].shape says {short(list(shape))}")
    values = _whole(values)
    try:
        return np.frombuffer(bytes(values), np.uint8).reshape(shape)
    except ValueError:
        given = f"given {short(min(values))} to {short(max(values))}"
        raise RequestError(400, f"{WHERE}: UINT8 is 0 to 255, {given}") from None


def _whole(values: list[Any]) -> list[int]:
    # The protocol's own Python client writes 5 as 5.0; to JSON they are one number. A bool is none.
    kinds = set(map(type, values))
    if kinds == {int}:
        return values
    if kinds <= {int, float} and all(map(float.is_integer, map(float, values))):
        return list(map(int, values))
    raise RequestError(400, f"{WHERE}: UINT8 holds whole numbers from 0 to 255 and nothing else")


def _flattened(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    level: list[Any] = [data]
    for size in shape:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            raise RequestError(400, f"{WHERE}: is not nested as inputs[0].shape {short(list(shape))} says")
        level = list(chain.from_iterable(level))
    return level
