"""Responses as bytes on the wire (RFC 9112). Pure but for the clock."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from serving.http.message import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def encode(response: Response, keep_alive: bool, with_body: bool = True) -> bytes:
    """Return a response's bytes; without its body for HEAD, whose Content-Length stays that of the body."""
    second, body = int(time.time()), response.body
    head = b"%bcontent-length: %d\r\n%b\r\n" % (
        _head(response.status, response.content_type, keep_alive, second),
        len(body),
        _lines(response.headers),
    )
    return head + body if with_body else head


@lru_cache(maxsize=512)
def _lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")


@lru_cache(maxsize=64)
def _head(status: int, content_type: str, keep_alive: bool, second: int) -> bytes:
    # Made once a second for each kind of answer: the date is the costliest part of a small one.
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
    connection = "" if keep_alive else "connection: close\r\n"
    date = formatdate(second, usegmt=True)
    return f"HTTP/1.1 {status} {phrase}\r\ndate: {date}\r\ncontent-type: {content_type}\r\n{connection}".encode()
