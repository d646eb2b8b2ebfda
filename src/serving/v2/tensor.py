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
    if set(map(type, values)) != {int}:
        raise RequestError(400, f"{WHERE}: UINT8 holds whole numbers from 0 to 255 and nothing else")
    try:
        return np.frombuffer(bytes(values), np.uint8).reshape(shape)
    except ValueError:
        raise RequestError(400, f"{WHERE}: UINT8 is 0 to 255, given {min(values)} to {max(values)}") from None


def _flattened(data: list[Any], shape: tuple[int, ...]) -> list[Any]:
    level: list[Any] = [data]
    for size in shape:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            raise RequestError(400, f"{WHERE}: is not nested as inputs[0].shape {short(list(shape))} says")
        level = list(chain.from_iterable(level))
    return level
