"""Builds frozen dataclasses from what YAML holds, and refuses what no dataclass knows. It knows no key by name.

An unknown key, an absent key and a value of another type are each an error that names the file and the key.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from serving.errors import ServingError

T = TypeVar("T")


def build(cls: type[T], mapping: Any, where: str) -> T:
    """Return an instance of the dataclass `cls`; `where` is the file, and the key within it, for the error.

    Raises ServingError on an unknown key, an absent one that has no default, or a value of another type.
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    names = [field.name for field in fields]
    if not isinstance(mapping, Mapping):
        raise ServingError(f"{where}: should be a mapping of {', '.join(names)}, is {mapping!r}")
    for key in mapping:
        if key not in names:
            raise ServingError(f"{where}: unknown key '{key}': known keys are {', '.join(names)}")
    hints = typing.get_type_hints(cls)
    values = {}
    for field in fields:
        if field.name in mapping:
            values[field.name] = _convert(hints[field.name], mapping[field.name], f"{where}: {field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ServingError(f"{where}: {field.name} is missing")
    return cls(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _convert(inner, value, where)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    if origin is tuple:
        return _sequence(arguments, value, where)
    if origin is Mapping:
        return _expect(Mapping, value, where)
    return _scalar(hint, value, where)


def _sequence(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    items = _expect(list, value, where)
    is_fixed = arguments[-1] is not Ellipsis
    if is_fixed and len(items) != len(arguments):
        raise ServingError(f"{where}: should be a list of {len(arguments)}, is {value!r}")
    return tuple(_convert(arguments[i if is_fixed else 0], item, f"{where}[{i}]") for i, item in enumerate(items))


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Path:
        return Path(_expect(str, value, where))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, bool):
        raise ServingError(f"{where}: should be int, is {value!r}")
    return _expect(hint, value, where)


def _expect(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ServingError(f"{where}: should be {kind.__name__}, is {value!r}")
    return value
