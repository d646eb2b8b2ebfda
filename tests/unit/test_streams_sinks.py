"""What sinks are told is checked before a line is sent, and no error tells a secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from far_ends import HttpEnd
from serving.errors import ServingError
from serving.streams.config import SinkConfig
from serving.streams.sinks import SinkError, open_sink
from serving.streams.sinks.port import secret, stream_of

LINES = [b'{"n":%d}\n' % number for number in range(8)]


@pytest.fixture
def http() -> Iterator[HttpEnd]:
    """Return an HTTP server."""
    end = HttpEnd()
    yield end
    end.close()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_end_after_a_token_is_none_of_it(http: HttpEnd, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", f"s3cret{end}")
    open_sink(SinkConfig("webhook", {**http.config.options, "token_env": "SITE_TOKEN"})).send(LINES)
    assert http.headers[0]["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("held", ["s3cret\nHost: other", "s3cret\x7f", "s3cr\u00e9t"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_told(held: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", held)
    with pytest.raises(ServingError, match="variable SITE_TOKEN should hold") as caught:
        open_sink(SinkConfig("webhook", {"url": "http://x", "token_env": "SITE_TOKEN"}))
    assert "s3cr" not in str(caught.value)


def test_a_variable_that_holds_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", "\n")
    with pytest.raises(ServingError, match="variable SITE_TOKEN is not set"):
        secret("SITE_TOKEN", "here")
    assert secret(None, "here") is None


@pytest.mark.parametrize("url", ["http://x/in?key=s3 cret", "http://x/in?key=s3cret\u00e9", "http://x/s3cret\n"])
def test_a_url_that_cannot_be_asked_for_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(ServingError, match="url: should be http:// or https:// and a host") as caught:
        open_sink(SinkConfig("webhook", {"url": url}))
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize("headers", [{"A b": "c"}, {"A:": "c"}, {"": "c"}, {1: "c"}, {"A": "\u00e9"}, {"A": "\u2028"}])
def test_a_header_that_http_does_not_know_is_refused(headers: dict) -> None:
    with pytest.raises(ServingError, match="sink webhook: headers: "):
        open_sink(SinkConfig("webhook", {"url": "http://x", "headers": headers}))


def test_refused_lines_are_counted_once_though_others_of_their_batch_must_be_sent_again(http: HttpEnd) -> None:
    def status(body: bytes) -> int:
        return 400 if LINES[0] in body else 503

    http.status = status
    sink = open_sink(http.config)
    for _ in range(3):
        with pytest.raises(SinkError):
            sink.send(LINES)
    assert sink.refused == 0
    http.status = lambda body: 400 if LINES[0] in body else 200
    sink.send(LINES)
    assert sink.refused == 1


@pytest.mark.parametrize(
    ("line", "stream"),
    [
        (b'{"stream":"gate-1"}\n', "gate-1"),
        (b"{}\n", ""),
        (b'{"stream":5}\n', "5"),
        (b"[]\n", None),
        (b"\0\n", None),
        (b"\xff\n", None),
    ],
)
def test_the_stream_of_a_line_is_read_where_it_can_be(line: bytes, stream: str | None) -> None:
    assert stream_of(line) == stream
