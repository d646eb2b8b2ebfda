"""The door of the fake Azure: an HTTP proxy on loopback that ends the TLS of whatever host is asked for.

A client that is given it by HTTPS_PROXY keeps the real host names. It knows HTTP/1.1, and nothing of Azure.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from azurefake.certificates import Authority
from azurefake.faults import Drop
from azurefake.message import Answer, Request

LOOPBACK = "127.0.0.1"


class Answering(Protocol):
    """What is behind the door."""

    def fault(self, request: Request) -> Answer | Drop | None:
        """Return what is to go wrong with a request whose body has not been read yet, or None."""

    def answer(self, request: Request) -> Answer:
        """Answer a request."""

    def record(self, request: Request) -> None:
        """Take note of a request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, behind: Answering, authority: Authority) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.behind = behind
        self.authority = authority
        self.open: set[socket.socket] = set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away; an error of a handler has been answered with 500."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each first answer of a connection waits 40 ms for an acknowledgement
    server: _Server
    tunnel = ""

    def handle(self) -> None:
        self.server.open.add(self.connection)
        try:
            with suppress(OSError, ValueError):
                super().handle()
        finally:
            self.server.open.discard(self.connection)

    def do_CONNECT(self) -> None:  # noqa: N802
        self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.tunnel = self.path.rpartition(":")[0].lower()
        self.server.open.discard(self.connection)
        self.connection = self.server.authority.context(self.tunnel).wrap_socket(self.connection, server_side=True)
        self.server.open.add(self.connection)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def serve(self) -> None:
        """Answer one request, as what is behind the door says."""
        request = self._request(b"")
        fault = self.server.behind.fault(request)
        if isinstance(fault, Drop) and not fault.handled:
            self.server.behind.record(request)
            self.rfile.read(min(fault.after, int(self.headers.get("Content-Length", 0))))
            self._break_off()
            return
        request = self._request(self._body())
        if isinstance(fault, Answer):
            self.server.behind.record(request)
        answer = fault if isinstance(fault, Answer) else self.server.behind.answer(request)
        if isinstance(fault, Drop):
            self._break_off()
        else:
            self._send(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = serve

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: what was asked is in the fake's own list."""

    def _request(self, body: bytes) -> Request:
        url = urlsplit(self.path)
        headers = {key.lower(): value for key, value in self.headers.items()}
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        host = self.tunnel or url.hostname or self.headers.get("Host", "").partition(":")[0]
        return Request(self.command, host.lower(), unquote(url.path), query, headers, body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _send(self, answer: Answer) -> None:
        body, kind = answer.encoded()
        headers = {"Content-Length": str(len(body)), "Content-Type": kind, **answer.headers}
        phrase = HTTPStatus(answer.status).phrase
        lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{key}: {value}" for key, value in headers.items())]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        self.connection.sendall(head if self.command == "HEAD" else head + body)

    def _break_off(self) -> None:
        # Closed with a reset, so that the client sees the connection break and not an answer without an end.
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@contextmanager
def running_proxy(behind: Answering, authority: Authority) -> Iterator[str]:
    """Serve on a free port of loopback while the block runs; yield the proxy's URL. No connection outlives it."""
    server = _Server(behind, authority)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="fake-azure", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        for connection in list(server.open):
            with suppress(OSError, ssl.SSLError):
                connection.shutdown(socket.SHUT_RDWR)
