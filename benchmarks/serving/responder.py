"""A server that does nothing: it answers each request with the same bytes. It shows wrk's own limit.

Run: python -m benchmarks.serving.responder PORT BODY_BYTES
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 38\r\n\r\n{"label":"class-002","score":0.224723}'


class Responder(asyncio.Protocol):
    """Counts bytes, and answers whenever a request's are all there."""

    def __init__(self, body_bytes: int) -> None:
        self._body_bytes, self._missing = body_bytes, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer where a request is complete; a client without pipelining never sends more than one."""
        if self._missing == 0:
            self._missing = data.index(b"\r\n\r\n") + 4 + self._body_bytes
        self._missing -= len(data)
        if self._missing == 0:
            self._transport.write(ANSWER)


async def respond(port: int, body_bytes: int) -> None:
    """Answer until the process ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Responder(body_bytes), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(respond(int(sys.argv[1]), int(sys.argv[2])))
