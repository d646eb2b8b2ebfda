"""Bytes to HTTP/1.1 requests, by httptools (llhttp), within limits. It knows no socket, no path and no model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import httptools

from serving.errors import RequestError
from serving.http.limits import Limits, Memory
from serving.http.message import Request, Response

NO_MEMORY = "the bodies of all requests together take all memory for them"
IDLE, HEAD, BODY = "idle", "head", "body"


@dataclass(frozen=True, slots=True)
class Known:
    """A head that was parsed before, byte for byte, and the bytes of a request with it."""

    head: bytes
    size: int
    request: Request


@dataclass(slots=True)
class Received:
    """A complete request, or what is to be answered instead; `reserved` bytes of memory are held for its body."""

    request: Request
    keep_alive: bool
    refusal: Response | None
    reserved: int


class RequestReader:
    """Reads one connection's requests. `stage` says what it waits for: idle (nothing came), head or body."""

    def __init__(self, limits: Limits, memory: Memory, admit: Callable[[Request], Response | None]) -> None:
        """`admit` sees a request before its body is read and may refuse it: the body is then thrown away."""
        self.stage = IDLE
        self.wants_continue = False
        self.reserved = 0
        self._limits, self._memory, self._admit = limits, memory, admit
        self._parser = httptools.HttpRequestParser(self)
        self._received: list[Received] = []
        self._error: RequestError | None = None
        self._head_bytes = 0
        self._known: Known | None = None
        self.on_message_begin()
        self.stage = IDLE

    def feed(self, data: bytes) -> list[Received]:
        """Return the requests that end in `data`.

        Raises RequestError, after which the connection can't be read on: 400 on what is not HTTP/1.1, 413 and 431 on
        what is too long, 503 where bodies take all the memory there is for them.
        """
        known = self._known
        if known is not None and len(data) == known.size and self.stage is IDLE and data.startswith(known.head):
            return self._received_again(known, data)
        begins = self.stage is IDLE
        if self.stage is not BODY:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._received[-1].keep_alive = False  # answered as if no upgrade were asked for
        except httptools.HttpParserError as error:
            raise self._error or RequestError(400, f"the request is not HTTP/1.1: {error}") from None
        if self.stage is not BODY and self._head_bytes > self._limits.head_bytes:
            raise self._too_long_head()
        received, self._received = self._received, []
        self._known = _known(data, received) if begins and self.stage is IDLE and len(received) == 1 else None
        return received

    def _received_again(self, known: Known, data: bytes) -> list[Received]:
        # Clients on a kept connection say the same head again and again: what it means was found out once. The parser
        # stands between two messages and does not miss this one.
        like = known.request
        request = Request(like.method, like.path, like.query, like.headers, b"", time.monotonic())
        refusal, reserved = self._admit(request), 0
        if refusal is None:
            request.body = data[len(known.head) :]
            reserved = len(request.body)
            if not self._memory.reserve(reserved):
                raise RequestError(503, NO_MEMORY, 1)
        return [Received(request, True, refusal, reserved)]

    def abandon(self) -> None:
        """Give back what is held for requests that will not be handled any more."""
        self._memory.release(self.reserved + sum(received.reserved for received in self._received))
        self.reserved, self._received = 0, []

    # --- what httptools calls ---

    def on_message_begin(self) -> None:
        """Start a request."""
        self.stage = HEAD
        self.wants_continue = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._length = self._fields = 0
        self._refusal: Response | None = None

    def on_url(self, url: bytes) -> None:
        """Collect the request target."""
        self._url += url
        self._fields += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; of one that comes again the values are joined (RFC 9110, 5.3)."""
        if self.stage is BODY:  # a trailer, which must not be taken for a header (6.5.1)
            return
        self._fields += len(name) + len(value)
        key, text = _header_name(name), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Decide whether the body is worth reading."""
        if self._fields > self._limits.head_bytes:
            self._fail(self._too_long_head())
        self.stage, self._head_bytes = BODY, 0
        path, query = _target(self._url)
        self._request = Request(_method(self._parser.get_method()), path, query, self._headers, b"", 0.0)
        self._refusal = self._admit(self._request)
        if self._refusal is None:
            self._reserve(int(self._headers.get("content-length", 0)))
            self.wants_continue = self._headers.get("expect", "").lower() == "100-continue"

    def on_body(self, chunk: bytes) -> None:
        """Collect the body, within its limit."""
        self._length += len(chunk)
        if self._refusal is None:
            self._reserve(self._length)
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """End a request."""
        request, self.stage = self._request, IDLE
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        request.arrived = time.monotonic()
        self._received.append(Received(request, self._parser.should_keep_alive(), self._refusal, self.reserved))
        self.reserved, self._chunks = 0, []

    def _reserve(self, size: int) -> None:
        if size <= self.reserved:
            return
        if size > self._limits.body_bytes:
            self._fail(RequestError(413, f"the body exceeds {self._limits.body_bytes} bytes"))
        elif self._memory.reserve(size - self.reserved):
            self.reserved = size
        else:
            self._fail(RequestError(503, NO_MEMORY, 1))

    def _too_long_head(self) -> RequestError:
        return RequestError(431, f"the headers exceed {self._limits.head_bytes} bytes")

    def _fail(self, error: RequestError) -> None:
        # httptools turns whatever a callback raises into an error of its own.
        self._error = error
        raise error


def _known(data: bytes, received: list[Received]) -> Known | None:
    """Return the head of a request that came whole and alone, where its length is said and nothing else is asked."""
    one = received[0]
    headers, body = one.request.headers, one.request.body
    plain = "content-length" in headers and not {"transfer-encoding", "expect", "upgrade"} & headers.keys()
    if not plain or not one.keep_alive or one.refusal is not None or one.request.method != "POST":
        return None
    return Known(data[: len(data) - len(body)], len(data), one.request)


# What clients send again and again is decoded once.
@lru_cache(maxsize=512)
def _header_name(name: bytes) -> str:
    return name.decode("latin-1").lower()


@lru_cache(maxsize=512)
def _target(url: bytes) -> tuple[str, str]:
    path, _, query = url.decode("latin-1").partition("?")
    return unquote(path) if "%" in path else path, query


@lru_cache(maxsize=64)
def _method(method: bytes) -> str:
    return method.decode("latin-1")
