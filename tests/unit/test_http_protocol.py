"""One HTTP connection over a real socket: order, keep-alive, the ends of clients that take too long, the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from eventually import until
from serving.http.connections import Connections
from serving.http.limits import Limits
from serving.http.message import Reply, Request, Response, error_response
from serving.http.protocol import HttpProtocol

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
SECONDS = 20.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def echo(request: Request, reply: Reply) -> None:
    """Answer with the path and the body."""
    reply(Response(200, request.path.encode() + request.body, "text/plain"))


def talk(connections: Connections, play: Callable[[Streams], Awaitable[None]]) -> None:
    """Run a client against a server of these connections, within a deadline."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: HttpProtocol(connections), "127.0.0.1", 0)
        streams = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.wait_for(play(streams), SECONDS)
        streams[1].close()
        server.close()

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the head and the body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return head, await reader.readexactly(int(length.split(b":")[1]))


def test_answers_keep_the_order_of_pipelined_requests_whenever_they_are_ready() -> None:
    waiting: list[tuple[Request, Reply]] = []
    connections = Connections(lambda request, reply: waiting.append((request, reply)))

    async def play(streams: Streams) -> None:
        reader, writer = streams
        writer.write(b"".join(GET % number for number in range(5)))
        for number in range(5):
            await until(lambda: waiting)
            assert len(waiting) == 1  # one request of a connection at a time
            echo(*waiting.pop())
            assert (await answer(reader))[1] == b"/%d" % number

    talk(connections, play)


def test_head_is_answered_without_its_body() -> None:
    async def play(streams: Streams) -> None:
        streams[1].write(b"HEAD /abc HTTP/1.1\r\nConnection: close\r\n\r\n")
        whole = await streams[0].read()
        assert b"content-length: 4\r\n" in whole and whole.endswith(b"\r\n\r\n")

    talk(Connections(echo), play)


def test_a_client_that_expects_continue_is_told_to() -> None:
    async def play(streams: Streams) -> None:
        streams[1].write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await streams[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        streams[1].write(b"ok")
        assert (await answer(streams[0]))[1] == b"/ok"

    talk(Connections(echo), play)


def test_a_refused_request_is_answered_and_the_connection_stays() -> None:
    def admit(request: Request) -> Response | None:
        return error_response(404, "nothing there") if request.path == "/none" else None

    async def play(streams: Streams) -> None:
        streams[1].write(b"POST /none HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + GET % 1)
        head, body = await answer(streams[0])
        assert head.startswith(b"HTTP/1.1 404") and body == b'{"error":"nothing there"}'
        assert (await answer(streams[0]))[1] == b"/1"

    talk(Connections(echo, admit), play)


def test_a_malformed_request_is_told_why_and_closed() -> None:
    connections = Connections(echo)

    async def play(streams: Streams) -> None:
        streams[1].write(b"no http at all\r\n\r\n")
        whole = await streams[0].read()
        assert whole.startswith(b"HTTP/1.1 400") and b"connection: close" in whole

    talk(connections, play)


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        (b"GET / HT", "head_seconds"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", "body_seconds"),
    ],
)
def test_a_client_that_never_ends_its_request_gets_a_408(sent: bytes, limit: str) -> None:
    connections = Connections(echo, limits=replace(Limits(), **{limit: 0.0}))

    async def play(streams: Streams) -> None:
        streams[1].write(sent)
        whole = b""
        while not whole:
            connections.sweep()
            try:
                whole = await asyncio.wait_for(streams[0].read(), 0.01)
            except TimeoutError:
                pass
        assert whole.startswith(b"HTTP/1.1 408")

    talk(connections, play)


def test_what_a_client_left_behind_takes_no_memory() -> None:
    connections = Connections(echo)

    async def play(streams: Streams) -> None:
        streams[1].write(b"POST / HTTP/1.1\r\nContent-Length: 900\r\n\r\nabc")
        await until(lambda: connections.memory.reserved == 900)
        streams[1].transport.abort()
        await until(lambda: not len(connections))
        assert connections.memory.reserved == 0

    talk(connections, play)


def test_an_idle_connection_is_closed_after_its_time() -> None:
    connections = Connections(echo, limits=replace(Limits(), idle_seconds=0.0))

    async def play(streams: Streams) -> None:
        streams[1].write(GET % 1)
        await answer(streams[0])
        await until(lambda: connections.sweep() or not len(connections))
        assert await streams[0].read() == b""

    talk(connections, play)


@pytest.mark.parametrize(("most", "open_still"), [(1, False), (2, True)])
def test_idle_connections_make_room_where_there_are_as_many_as_may_be(most: int, open_still: bool) -> None:
    connections = Connections(echo, limits=replace(Limits(), connections=most, crowded_seconds=0.0))

    async def play(streams: Streams) -> None:
        streams[1].write(GET % 1)
        await answer(streams[0])
        connections.sweep()
        if open_still:
            streams[1].write(GET % 2)
            assert (await answer(streams[0]))[1] == b"/2"
        else:
            assert await streams[0].read() == b""

    talk(connections, play)


def test_while_draining_each_answer_closes_its_connection() -> None:
    connections = Connections(echo)

    async def play(streams: Streams) -> None:
        streams[1].write(GET % 1)
        assert b"close" not in (await answer(streams[0]))[0]
        connections.drain()
        streams[1].write(GET % 2)
        assert b"connection: close" in (await answer(streams[0]))[0]
        assert await streams[0].read() == b""

    talk(connections, play)


def test_a_request_in_hand_is_not_cut_when_idle_connections_are_closed() -> None:
    waiting: list[tuple[Request, Reply]] = []
    connections = Connections(lambda request, reply: waiting.append((request, reply)))

    async def play(streams: Streams) -> None:
        streams[1].write(GET % 7)
        await until(lambda: waiting)
        connections.close_idle()
        echo(*waiting.pop())
        assert (await answer(streams[0]))[1] == b"/7"

    talk(connections, play)


def test_a_client_that_does_not_read_is_ended() -> None:
    connections = Connections(
        lambda request, reply: reply(Response(200, bytes(50_000_000))), limits=replace(Limits(), write_seconds=0.0)
    )

    async def play(streams: Streams) -> None:
        streams[1].write(GET % 1)
        await until(lambda: len(connections))
        await until(lambda: connections.sweep() or not len(connections))

    talk(connections, play)


def test_a_client_that_asks_on_and_never_reads_fills_no_memory_and_is_ended() -> None:
    answered: list[int] = []

    def handle(request: Request, reply: Reply) -> None:
        answered.append(1)
        reply(Response(200, bytes(1_000_000)))

    connections = Connections(handle, limits=replace(Limits(), write_seconds=0.0))

    async def play(streams: Streams) -> None:
        for number in range(2000):
            streams[1].write(GET % number)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: answered)
        await until(lambda: connections.sweep() or not len(connections))
        assert len(answered) < 20  # what the kernel's buffers take, and one more

    talk(connections, play)


def test_a_client_that_reads_late_gets_all_that_it_asked_for() -> None:
    connections = Connections(lambda request, reply: reply(Response(200, request.path.encode() * 100_000)))

    async def play(streams: Streams) -> None:
        streams[1].write(b"".join(GET % number for number in range(30)))
        await until(lambda: len(connections))
        for number in range(30):
            assert (await answer(streams[0]))[1] == (b"/%d" % number) * 100_000
        streams[1].write(GET % 30)
        assert (await answer(streams[0]))[1][:3] == b"/30"

    talk(connections, play)
