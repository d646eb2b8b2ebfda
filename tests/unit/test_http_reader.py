"""The HTTP reader: what a strange client sends becomes requests or refusals, within bytes that are bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import RequestError
from serving.http.limits import Limits, Memory
from serving.http.message import Request, Response, error_response
from serving.http.reader import BODY, HEAD, IDLE, Received, RequestReader

LIMITS = Limits(head_bytes=1000, body_bytes=100, bodies=150)
POST = b"POST /score?top=1 HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 5\r\n\r\nhello"


def reader(memory: Memory | None = None, refusal: Response | None = None) -> RequestReader:
    return RequestReader(LIMITS, memory or Memory(LIMITS.bodies), lambda request: refusal)


def status_of(data: bytes, memory: Memory | None = None) -> int:
    with pytest.raises(RequestError) as caught:
        reader(memory).feed(data)
    return caught.value.status


def test_a_request_is_read_whole() -> None:
    (received,) = reader().feed(POST)
    request = received.request
    assert (request.method, request.path, request.query, request.body) == ("POST", "/score", "top=1", b"hello")
    assert request.headers["x-one"] == "1, 2" and received.keep_alive


@given(st.lists(st.integers(1, len(POST) - 1), max_size=6))
def test_a_request_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(POST)]
    one = reader()
    received: list[Received] = []
    for start, stop in zip(edges, edges[1:], strict=False):
        received += one.feed(POST[start:stop])
    assert [item.request.body for item in received] == [b"hello"] and one.stage is IDLE


def test_pipelined_requests_come_in_their_order() -> None:
    received = reader().feed(POST + b"GET /%64ocs HTTP/1.1\r\n\r\n" + POST)
    assert [item.request.path for item in received] == ["/score", "/docs", "/score"]


def test_a_head_that_comes_again_brings_its_own_body() -> None:
    memory, seen = Memory(150), []
    one = RequestReader(LIMITS, memory, lambda request: seen.append(request.path))
    bodies = [one.feed(POST.replace(b"hello", body))[0].request.body for body in (b"hello", b"01234", b"\r\n\r\nx")]
    assert bodies == [b"hello", b"01234", b"\r\n\r\nx"]
    assert seen == ["/score"] * 3 and memory.reserved == 15, "each was admitted and accounted for"


@given(
    st.lists(st.sampled_from([POST, POST.replace(b"top=1", b"top=2"), POST + POST, POST[:40], POST[40:]]), max_size=8)
)
def test_a_stream_reads_the_same_with_heads_that_are_known(parts: list[bytes]) -> None:
    quick, plain = reader(Memory(10**6)), reader(Memory(10**6))
    seen: list[list[tuple[str, bytes]]] = [[], []]
    for number, one in enumerate((quick, plain)):
        try:
            for part in parts:
                if one is plain:
                    one._known = None
                seen[number] += [(item.request.query, item.request.body) for item in one.feed(part)]
        except RequestError as error:
            seen[number].append((str(error.status), b""))
    assert seen[0] == seen[1]


def test_a_known_head_is_refused_where_it_is_no_longer_admitted() -> None:
    refusals = [None, error_response(401, "the key is revoked")]
    one = RequestReader(LIMITS, Memory(150), lambda request: refusals.pop(0))
    assert one.feed(POST)[0].refusal is None
    (received,) = one.feed(POST)
    assert received.refusal is not None and received.request.body == b""


def test_trailers_add_nothing_to_the_headers() -> None:
    head = b"POST / HTTP/1.1\r\nX-One: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    (received,) = reader().feed(head + b"3\r\nabc\r\n0\r\nx-one: 2\r\nauthorization: Bearer a\r\n\r\n")
    assert received.request.headers == {"x-one": "1", "transfer-encoding": "chunked"}


def test_a_chunked_body_is_joined() -> None:
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert reader().feed(chunked)[0].request.body == b"abcde"


def test_the_stage_says_what_is_waited_for() -> None:
    one = reader()
    stages = [(one.feed(part), one.stage)[1] for part in (POST[:10], POST[10:-2], POST[-2:])]
    assert stages == [HEAD, BODY, IDLE]


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nA\x00B: c\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    assert status_of(data) == 400


def test_too_long_a_body_is_refused_before_it_is_read() -> None:
    assert status_of(b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n") == 413


def test_too_long_a_chunked_body_is_refused_when_it_gets_too_long() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status_of(head + b"40\r\n" + b"a" * 64 + b"\r\n40\r\n" + b"a" * 64) == 413


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 1001,
        b"GET / HTTP/1.1\r\nA: " + b"b" * 1001,
        b"GET / HTTP/1.1\r\nA: " + b"b" * 1001 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 600 + b"\r\n",
    ],
)
def test_too_long_headers_are_refused_whether_they_end_or_not(data: bytes) -> None:
    assert status_of(data) == 431


def test_bodies_share_one_memory_and_give_it_back() -> None:
    memory = Memory(150)
    first, second = reader(memory), reader(memory)
    announced = b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n"
    first.feed(announced)
    with pytest.raises(RequestError) as caught:
        second.feed(announced)
    assert caught.value.status == 503 and caught.value.headers == (("retry-after", "1"),)
    first.abandon()
    assert memory.reserved == 0
    (received,) = reader(memory).feed(announced + b"x" * 100)
    assert received.reserved == memory.reserved == 100


def test_a_whole_request_before_a_bad_one_gives_its_memory_back() -> None:
    memory = Memory(150)
    one = reader(memory)
    with pytest.raises(RequestError):
        one.feed(POST + b"no http")
    assert memory.reserved == 5
    one.abandon()
    assert memory.reserved == 0


def test_a_refused_request_keeps_no_body() -> None:
    memory = Memory(150)
    (received,) = reader(memory, error_response(404, "no such page")).feed(POST)
    assert received.refusal is not None and received.request.body == b"" and memory.reserved == 0


def test_an_upgrade_is_answered_and_not_followed() -> None:
    (received,) = reader().feed(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert not received.keep_alive


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_refusals(data: bytes) -> None:
    def admit(request: Request) -> None:
        assert request.body == b""

    try:
        RequestReader(LIMITS, Memory(150), admit).feed(data)
    except RequestError as error:
        assert 400 <= error.status < 600 and "\n" not in str(error)
