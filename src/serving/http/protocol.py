"""HTTP/1.1 on one connection: requests in, answers out, one after another, and an end to clients that take too long.

It knows no path and no model. Why it stands where uvicorn could: docs/decisions/0008-an-http-server-of-our-own.md.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from serving.errors import RequestError
from serving.http.connections import Connections
from serving.http.message import Response, error_response
from serving.http.reader import BODY, HEAD, IDLE, Received, RequestReader
from serving.http.wire import CONTINUE, encode


class HttpProtocol(asyncio.Protocol):
    """One connection. Requests that a client pipelines wait for the answers before them."""

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        self._reader = RequestReader(connections.limits, connections.memory, connections.admit)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Received] = deque()
        self._current: Received | None = None
        self._since = time.monotonic()
        self._is_closing = False
        self._is_stuck = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection up."""
        self._transport = transport  # type: ignore[assignment]
        self._all.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection; an answer that is still to come goes nowhere."""
        self._transport = None
        self._reader.abandon()
        for received in self._waiting:
            self._all.memory.release(received.reserved)
        self._waiting.clear()
        self._all.closed(self)

    def data_received(self, data: bytes) -> None:
        """Handle the requests that end in what came."""
        if self._is_closing:
            return
        stage = self._reader.stage
        try:
            self._waiting.extend(self._reader.feed(data))
        except RequestError as error:
            self._refuse(error)
            return
        if (self._reader.stage is not stage or stage is IDLE) and not self._is_stuck:
            self._since = time.monotonic()
        if self._reader.wants_continue:
            self._reader.wants_continue = False
            self._write(CONTINUE)
        self._take_up()

    def eof_received(self) -> bool:
        """Keep a half-closed connection while an answer is due on it."""
        self._is_closing = self._current is not None
        return self._is_closing

    def pause_writing(self) -> None:
        """Read and answer no more of a client that does not read: its answers would fill the memory."""
        self._is_stuck, self._since = True, time.monotonic()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._is_stuck, self._since = False, time.monotonic()
        asyncio.get_running_loop().call_soon(self._resume)

    def _take_up(self) -> None:
        while self._waiting and self._current is None and self._transport is not None and not self._is_stuck:
            self._current = self._waiting.popleft()
            if self._current.refusal is None:
                self._all.handle(self._current.request, self.reply)
            else:
                self.reply(self._current.refusal)
        if self._waiting and self._transport is not None:
            self._transport.pause_reading()  # what one read brought may wait; more of it stays with the client

    def reply(self, response: Response) -> None:
        """Send the answer to the request in hand. The next one is taken up by whoever asked for this one."""
        received, self._current = self._current, None
        if received is None:
            return
        self._all.memory.release(received.reserved)
        if self._transport is None:
            return
        keep_alive = received.keep_alive and not (self._all.is_draining or self._is_closing)
        self._write(encode(response, keep_alive, received.request.method != "HEAD"))
        if not self._is_stuck:
            self._since = time.monotonic()
        if not keep_alive:
            self._is_closing = True
            self._transport.close()
        elif self._waiting:
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._take_up()
        is_free = not self._waiting and not self._is_stuck
        if is_free and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, error: RequestError) -> None:
        """Answer what is no complete request, and end the connection once the client had time to read why."""
        if self._transport is None:
            return
        self._is_closing, self._since = True, time.monotonic()
        if self._current is None:  # else its answer is the last one on this connection
            self._write(encode(error_response(error.status, str(error), error.headers), keep_alive=False))
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def _write(self, content: bytes) -> None:
        if self._transport is not None:
            self._transport.write(content)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is asked or answered."""
        return self._current is None and not self._waiting and self._reader.stage is IDLE

    def close_if_idle(self, since: float) -> None:
        """Close the connection where nothing was asked or answered on it since a moment of time.monotonic()."""
        if self.is_idle and self._since <= since and self._transport is not None:
            self._is_closing = True
            self._transport.close()

    def check_time(self, now: float) -> None:
        """End the connection where its client takes too long."""
        limits, spent = self._all.limits, now - self._since
        if self._transport is None or self._current is not None and not self._is_stuck:
            return
        if self._is_stuck or self._is_closing:
            if spent > (limits.write_seconds if self._is_stuck else limits.linger_seconds):
                self._transport.abort()
        elif self._reader.stage is HEAD and spent > limits.head_seconds:
            self._refuse(RequestError(408, f"the headers took longer than {limits.head_seconds:g} s"))
        elif self._reader.stage is BODY and spent > limits.body_seconds:
            self._refuse(RequestError(408, f"the body took longer than {limits.body_seconds:g} s"))
        elif self.is_idle and spent > limits.idle_seconds:
            self._transport.close()
