"""JSON read strictly: each function returns a value of one kind, or refuses it and names the key where it stands."""

from __future__ import annotations

import reprlib
from typing import Any

import orjson

from serving.errors import RequestError


def loads(text: bytes) -> Any:
    """Return the JSON value of a text in UTF-8. Raises RequestError 400: NaN, Infinity and lone surrogates too."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None


def as_object(value: Any, where: str) -> dict[str, Any]:
    """Return an object. Raises RequestError 400 on another kind."""
    if not isinstance(value, dict):
        raise RequestError(400, f"{where}: should be a JSON object, is {short(value)}")
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """Return a list. Raises RequestError 400 on another kind."""
    if not isinstance(value, list):
        raise RequestError(400, f"{where}: should be a list, is {'missing' if value is None else short(value)}")
    return value


def parameters_of(owner: dict[str, Any], where: str) -> dict[str, Any]:
    """Return an object's "parameters", {} where it has none. Raises RequestError 400 on another kind."""
    given = owner.get("parameters")
    return {} if given is None else as_object(given, f"{where}parameters")


def whole_number(parameters: dict[str, Any], key: str, least: int, where: str) -> int | None:
    """Return a whole number of at least `least`, None where it is not given. Raises RequestError 400."""
    given = parameters.get(key)
    if given is not None and (type(given) is not int or given < least):  # bool is an int to isinstance
        raise RequestError(400, f"{where}parameters.{key}: should be a whole number from {least}, is {short(given)}")
    return given


def flag(parameters: dict[str, Any], key: str, where: str) -> bool | None:
    """Return true or false, None where it is not given. Raises RequestError 400."""
    given = parameters.get(key)
    if given is not None and not isinstance(given, bool):
        raise RequestError(400, f"{where}parameters.{key}: should be true or false, is {short(given)}")
    return given


def short(value: Any) -> str:
    """Return a value as a message shows it, however long it is."""
    return reprlib.repr(value)
