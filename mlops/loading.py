"""Builds frozen dataclasses from what JSON and YAML hold, and refuses what no dataclass knows.

An unknown key, an absent key and a value of another type are each an error that names the file and the key.
"""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mlops.errors import ConfigError

T = TypeVar("T")


def build(cls: type[T], mapping: Any, where: str) -> T:
    """Return an instance of the dataclass `cls`. `where` is the file, and the key within it, for the error.

    Raises ConfigError on an unknown key, an absent one that has no default, or a value of another type.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where}: should be a mapping of {', '.join(_names(cls))}, is {mapping!r}")
    unknown = sorted(set(mapping) - set(_names(cls)), key=str)
    if unknown:
        raise ConfigError(f"{where}: unknown key '{unknown[0]}': known keys are {', '.join(_names(cls))}")
    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in mapping:
            values[field.name] = _convert(hints[field.name], mapping[field.name], f"{where}: {field.name}")
        elif _is_required(field):
            raise ConfigError(f"{where}: {field.name} is missing")
    return cls(**values)


def read_json(cls: type[T], path: Path) -> T:
    """Read one dataclass from a JSON file. Raises ConfigError, with the path, where that can't be done."""
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): run the step that writes it first") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON ({error}): run the step that writes it again") from None
    return build(cls, mapping, str(path))


def parse_yaml(text: str | bytes, where: str) -> Any:
    """Return what YAML text holds. Raises ConfigError, with `where`, on what is no YAML, or not in UTF-8."""
    try:
        return yaml.safe_load(text if isinstance(text, str) else text.decode("utf-8"))
    except Exception as error:  # PyYAML raises whatever its constructors meet: ValueError, IndexError, RecursionError
        raise ConfigError(f"{where}: is not YAML ({' '.join(str(error).split())}): mend it") from None


def read_yaml(path: Path, way_out: str) -> Any:
    """Read a YAML file; `way_out` says what to do where there is none that can be read. Raises ConfigError."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): {way_out}") from None
    return parse_yaml(text, str(path))


def read_mapping(path: Path, way_out: str) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; `way_out` says what to do where it can't be read. Raises ConfigError."""
    content = read_yaml(path, way_out)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: should be a mapping of keys, is {type(content).__name__}")
    return content


def write_json(path: Path, value: Any) -> None:
    """Write a dataclass or a plain value as JSON, whole or not at all."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    write_text(path, json.dumps(plain, indent=2, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _names(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    if origin is tuple:
        return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(_expect(list, value, where)))
    if origin is dict:
        items = _expect(dict, value, where).items()
        return {str(key): _convert(args[1], item, f"{where}.{key}") for key, item in items}
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, bool):
        raise ConfigError(f"{where}: should be int, is {value!r}")
    return _expect(hint, value, where)


def _expect(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ConfigError(f"{where}: should be {kind.__name__}, is {value!r}")
    return value
