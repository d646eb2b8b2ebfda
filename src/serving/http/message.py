"""An HTTP request and its response, as values. They know nothing of sockets or models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson


@dataclass(slots=True)
class Request:
    """A complete request: header names in lower case, `arrived` in seconds of time.monotonic() at its last byte."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    arrived: float


@dataclass(slots=True)
class Response:
    """A status, a body, and the headers beside Content-Type, Content-Length, Date and Connection."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Reply = Callable[[Response], None]


def json_response(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return a JSON response. Raises TypeError on what JSON cannot say."""
    return Response(status, orjson.dumps(value), headers=headers)


def error_response(status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return {"error": reason}, as the Open Inference Protocol wants errors; what UTF-8 can't say is replaced."""
    return json_response({"error": reason.encode(errors="replace").decode()}, status, headers)
