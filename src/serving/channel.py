"""Between the supervisor and a worker: connections as file descriptors, and JSON messages a line each. Both ways.

A datagram of one byte and a descriptor hands a connection over; a byte without one says that a connection has ended.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

HANDED, ENDED = b"+", b"-"
LINE_LIMIT = 64 * 1024 * 1024
Message = dict[str, Any]


def hand_over(channel: socket.socket, connection: socket.socket) -> bool:
    """Give a connection away; False where the other side takes no more, or is gone."""
    try:
        socket.send_fds(channel, [HANDED], [connection.fileno()])
        return True
    except OSError:
        return False


def take_over(channel: socket.socket) -> socket.socket | None:
    """Return the next connection that was handed over, None where none is there. Raises EOFError at the end."""
    try:
        content, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    except BlockingIOError:
        return None
    if not content:
        raise EOFError("the supervisor is gone")
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def say_ended(channel: socket.socket) -> None:
    """Tell the other side that a connection has ended."""
    try:
        channel.send(ENDED)
    except OSError:
        pass  # the supervisor is gone, or will count again when it starts this worker anew


def count_ended(channel: socket.socket) -> int:
    """Return how many connections were said to have ended since the last look."""
    count = 0
    try:
        while channel.recv(1) == ENDED:
            count += 1
    except OSError:
        pass
    return count


class Line:
    """A stream of JSON messages with one peer: notices, questions and their answers."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[Message], Awaitable[Message | None]],
    ) -> None:
        """`answer` gets each question or notice of the peer; what it returns for a question goes back."""
        self._reader, self._writer, self._answer = reader, writer, answer
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, message: Message) -> None:
        """Send a notice."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def ask(self, message: Message, seconds: float) -> Message:
        """Send a question and return its answer. Raises TimeoutError, and ConnectionError where the peer is gone."""
        self._number += 1
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        number = self._number
        self._asked[number] = future
        try:
            self.tell({**message, "ask": number})
            return await asyncio.wait_for(future, seconds)
        finally:
            self._asked.pop(number, None)

    async def listen(self) -> None:
        """Answer the peer until it is gone; then whoever waits for it gets a ConnectionError."""
        try:
            while line := await self._reader.readline():
                self._heard(json.loads(line))
        except (ConnectionError, ValueError):
            pass  # torn in the middle of a line: the peer was killed
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ConnectionError("the other process is gone"))

    def _heard(self, message: Message) -> None:
        if "answer" in message:
            future = self._asked.get(message["answer"])
            if future is not None and not future.done():
                future.set_result(message)
            return
        task = asyncio.get_running_loop().create_task(self._respond(message))
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _respond(self, message: Message) -> None:
        answer = await self._answer(message)
        if "ask" in message:
            self.tell({**(answer or {}), "answer": message["ask"]})


async def open_line(connection: socket.socket, answer: Callable[[Message], Awaitable[Message | None]]) -> Line:
    """Return the line over a connected stream socket."""
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_LIMIT)
    return Line(reader, writer, answer)
