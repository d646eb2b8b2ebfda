"""Every sink keeps one contract, against a real other end; and each what is its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessageInfo

from authorities import Authority
from far_ends import FarEnd, HttpEnd, KafkaEnd, MqttEnd, far_end
from running_endpoint import wait_for
from serving.errors import ServingError
from serving.streams.config import SinkConfig
from serving.streams.sinks import SINKS, Sink, SinkError, open_sink
from serving.streams.sinks.webhook import seconds_to_wait

LINES = [b'{"kind":"result","stream":"gate-1","sequence":%d}\n' % number for number in range(250)]
BARE = [line.rstrip() for line in LINES]
MORE = [line.replace(b"sequence", b"again") for line in LINES]


@pytest.fixture(params=sorted(SINKS))
def end(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarEnd]:
    """Return the other end of each kind of sink in turn."""
    end = far_end(request.param, tmp_path)
    yield end
    end.close()


@pytest.fixture
def http() -> Iterator[HttpEnd]:
    """Return an HTTP server."""
    end = HttpEnd()
    yield end
    end.close()


def sink_of(end: FarEnd, **options: object) -> Sink:
    """Return the sink to an end, with other options where a test needs them."""
    return open_sink(SinkConfig(end.config.kind, {**end.config.options, **options}))


def missed(end: FarEnd, lines: list[bytes]) -> list[bytes]:
    """Return the lines that have not arrived in their order; others may lie between."""
    arrived = iter(end.received())
    return [line for line in lines if line not in arrived]


def test_lines_arrive_once_and_in_order(end: FarEnd) -> None:
    sink = sink_of(end)
    sink.send(LINES[:100])
    sink.send(LINES[100:101])
    sink.send(LINES[101:])
    sink.close()
    wait_for(lambda: len(end.received()) >= len(LINES))
    assert (end.received(), sink.refused) == (BARE, 0)


def test_a_sink_opens_while_its_uplink_is_down_and_says_so_when_it_sends(end: FarEnd) -> None:
    end.go_down()
    sink = sink_of(end) if end.config.kind == "jsonl" else sink_of(end, timeout_seconds=1)
    with pytest.raises(SinkError) as caught:
        sink.send(LINES)
    assert str(caught.value) and "\n" not in str(caught.value)
    sink.close()
    end.come_up()


def test_an_uplink_that_came_up_again_takes_what_it_missed(end: FarEnd) -> None:
    sink = sink_of(end) if end.config.kind == "jsonl" else sink_of(end, timeout_seconds=1)
    sink.send(LINES)
    wait_for(lambda: len(end.received()) == len(LINES))
    end.go_down()
    for _ in range(2):
        with pytest.raises(SinkError):
            sink.send(MORE)
    end.come_up()
    wait_for(lambda: succeeds(sink, MORE))
    wait_for(lambda: missed(end, [line.rstrip() for line in LINES + MORE]) == [])
    assert sink.refused == 0
    sink.close()


def succeeds(sink: Sink, lines: list[bytes]) -> bool:
    """Try once to send."""
    try:
        sink.send(lines)
    except SinkError:
        return False
    return True


def test_a_line_that_a_disk_spoilt_blocks_none_after_it(end: FarEnd) -> None:
    sink = sink_of(end)
    sink.send([b"\0\0\0\n", b"[1]\n", *LINES[:3]])
    sink.close()
    wait_for(lambda: end.received()[-3:] == BARE[:3])
    assert sink.refused == (2 if end.config.kind in ("kafka", "mqtt") else 0), "who needs the stream must read the line"


def test_a_sink_may_be_closed_twice_and_used_again(end: FarEnd) -> None:
    sink = sink_of(end)
    sink.send(LINES[:1])
    sink.close()
    sink.close()
    sink.send(LINES[1:2])
    sink.close()
    wait_for(lambda: end.received() == BARE[:2])


def test_a_sink_bears_the_name_that_it_is_given(end: FarEnd) -> None:
    assert (sink_of(end).name, sink_of(end, name="north-1").name) == (end.config.kind, "north-1")


def test_an_unknown_option_is_refused_by_name(end: FarEnd) -> None:
    with pytest.raises(ServingError, match="unknown key 'colour'"):
        sink_of(end, colour="red")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (SinkConfig("pigeon", {}), "unknown kind 'pigeon': known kinds are jsonl, kafka, mqtt, webhook"),
        (SinkConfig("jsonl", {}), "sink jsonl: path is missing"),
        (SinkConfig("jsonl", {"path": "x", "name": "../x"}), "name: should be letters, digits"),
        (SinkConfig("webhook", {"url": "ftp://x"}), "url: should be http:// or https://"),
        (SinkConfig("webhook", {"url": "http://x:port"}), "url: should be http:// or https://"),
        (SinkConfig("webhook", {"url": "http://x", "headers": {"A": "b\nc"}}), "headers: A should be one line"),
        (SinkConfig("webhook", {"url": "http://x", "headers": {"A": 1}}), "headers: A should be one line"),
        (SinkConfig("webhook", {"url": "https://x", "ca_file": "absent"}), "absent cannot be used"),
        (SinkConfig("webhook", {"url": "http://x", "token_env": "ABSENT"}), "variable ABSENT is not set"),
        (SinkConfig("mqtt", {"host": "x", "topic": "a/#"}), "topic: should hold no wildcard"),
        (SinkConfig("mqtt", {"host": "x", "certificate": "absent"}), "absent cannot be used"),
        (SinkConfig("mqtt", {"host": "x", "password_env": "ABSENT"}), "variable ABSENT is not set"),
        (SinkConfig("kafka", {"servers": "x", "topic": "t", "settings": {"no.such": "1"}}), "No such configuration"),
        (SinkConfig("kafka", {"servers": "x", "topic": "t", "password_env": "ABSENT"}), "variable ABSENT is not set"),
    ],
)
def test_options_that_cannot_be_used_are_told_before_a_line_is_lost(config: SinkConfig, reason: str) -> None:
    with pytest.raises(ServingError, match=reason):
        open_sink(config)


# A file


def test_a_file_that_has_grown_is_moved_aside_and_the_oldest_dropped(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    sink = open_sink(SinkConfig("jsonl", {"path": str(path), "rotate_mb": 0.001, "keep": 2}))
    for start in range(0, 100, 10):
        sink.send(LINES[start : start + 10])
    names = ("results.jsonl.2", "results.jsonl.1", "results.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    kept = b"".join((tmp_path / name).read_bytes() for name in names).splitlines(keepends=True)
    assert kept == LINES[100 - len(kept) : 100] and len(kept) < 100


def test_a_line_that_a_kill_tore_is_cut_off_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(LINES[0] + LINES[1][:20])
    sink = open_sink(SinkConfig("jsonl", {"path": str(path)}))
    sink.send(LINES[1:3])
    assert path.read_bytes() == b"".join(LINES[:3])


# A webhook


def test_a_webhook_gets_the_headers_and_the_token(http: HttpEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_TOKEN", "s3cret")
    sink_of(http, headers={"X-Site": "north"}, token_env="SITE_TOKEN").send(LINES[:2])
    (headers,) = http.headers
    assert headers["path"] == "/in?a=b" and headers["Content-Type"] == "application/x-ndjson"
    assert (headers["X-Site"], headers["Authorization"]) == ("north", "Bearer s3cret")


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 408, 409, 410, 429, 451, 500, 503])
def test_an_answer_that_says_not_now_keeps_the_lines_and_tells_no_secret(
    http: HttpEnd, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_TOKEN", "s3cret")
    http.status, http.answer_headers = lambda body: status, {"Retry-After": "7"}
    sink = sink_of(http, url=str(http.config.options["url"]) + "&key=s3cret", token_env="SITE_TOKEN")
    with pytest.raises(SinkError, match=f"answered {status}") as caught:
        sink.send(LINES[:2])
    assert (caught.value.retry_after, sink.refused) == (7.0, 0)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_bad_lines_alone_are_refused_and_never_block_the_rest(http: HttpEnd, status: int) -> None:
    bad = {LINES[3], LINES[77], LINES[78]}
    http.status = lambda body: status if any(line in body for line in bad) else 200
    sink = sink_of(http)
    sink.send(LINES)
    assert http.received() == [line.rstrip() for line in LINES if line not in bad]
    assert sink.refused == 3


def test_a_connection_that_the_server_ended_meanwhile_is_opened_again(http: HttpEnd) -> None:
    sink = sink_of(http)
    sink.send(LINES[:1])
    http.drop_connections()
    sink.send(LINES[1:2])
    assert http.received() == BARE[:2]


def test_a_server_that_never_answers_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(SinkError, match="TimeoutError"):
            open_sink(SinkConfig("webhook", {"url": url, "timeout_seconds": 0.2})).send(LINES)


@contextmanager
def answering(answer: bytes, is_held: bool = False) -> Iterator[int]:
    """Answer the first message of the first connection with some bytes; yield the port.

    At the second message it hangs up, unless the connection `is_held` until the client ends it.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.recv(1 << 16)
                connection.sendall(answer)
                while connection.recv(1 << 16) and is_held:
                    pass

        threading.Thread(target=talk, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("answer", [b"220 mail ready\r\n", b"\x00\n"])
def test_a_server_that_speaks_no_http_is_down(answer: bytes) -> None:
    with answering(answer) as port:
        sink = open_sink(SinkConfig("webhook", {"url": f"http://127.0.0.1:{port}/", "timeout_seconds": 1}))
        with pytest.raises(SinkError):
            sink.send(LINES[:1])


def test_a_webhook_by_tls_is_trusted_by_its_authority_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "own")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    end = HttpEnd(context)
    sink_of(end, ca_file=str(authority.certificate)).send(LINES)
    assert end.received() == BARE
    for options in ({}, {"ca_file": str(Authority(tmp_path / "other").certificate)}):
        with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
            sink_of(end, **options).send(LINES)
    end.close()


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert (seconds_to_wait(None), seconds_to_wait("12"), seconds_to_wait("soon")) == (None, 12.0, None)
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    waiting = seconds_to_wait(formatdate(time.time() + 3600, usegmt=True))
    assert waiting is not None and 3000 < waiting <= 3600


# MQTT


def test_each_stream_has_its_topic_and_a_name_makes_no_levels(tmp_path: Path) -> None:
    end = MqttEnd()
    sink_of(end, topic="site/{stream}/in").send([b'{"stream":"gate-1"}\n', b'{"stream":"a/b+#"}\n', b"{}\n"])
    wait_for(lambda: len(end.messages) == 3)
    end.close()
    assert [topic for topic, _ in end.messages] == ["site/gate-1/in", "site/a_b__/in", "site/all/in"]


def test_a_broker_that_does_not_let_in_is_down_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "BROKER_LOGIN"
    monkeypatch.setenv(variable, "s3cret")
    with answering(b"\x20\x02\x00\x05") as port:  # CONNACK, not authorized
        login = {"username": "site", "password_env": variable}
        sink = open_sink(SinkConfig("mqtt", {"host": "127.0.0.1", "port": port, **login}))
        with pytest.raises(SinkError, match="Not authorized"):
            sink.send(LINES)


ACCEPTED = b"\x20\x02\x00\x00"  # CONNACK


def mqtt_of(port: int, seconds: float) -> Sink:
    """Return the sink of a broker that has so long to answer."""
    return open_sink(SinkConfig("mqtt", {"host": "127.0.0.1", "port": port, "timeout_seconds": seconds}))


def test_a_line_that_the_broker_has_not_acknowledged_has_not_arrived() -> None:
    with answering(ACCEPTED, is_held=True) as port, pytest.raises(SinkError, match="not acknowledged in time"):
        mqtt_of(port, 0.5).send(LINES[:1])


def test_a_line_whose_broker_hung_up_has_not_arrived() -> None:
    with answering(ACCEPTED) as port, pytest.raises(SinkError, match="the connection was lost"):
        mqtt_of(port, 30).send(LINES[:1])


def test_a_connection_that_ends_while_a_line_is_handed_to_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    publish = Client.publish

    def publish_late(client: Client, *args: Any, **options: Any) -> MQTTMessageInfo:
        client.socket().shutdown(socket.SHUT_RDWR)
        wait_for(lambda: client.socket() is None)
        return publish(client, *args, **options)

    monkeypatch.setattr(Client, "publish", publish_late)
    with answering(ACCEPTED, is_held=True) as port, pytest.raises(SinkError, match="the connection was lost"):
        mqtt_of(port, 30).send(LINES[:1])


def test_a_broker_that_never_answers_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SinkError, match="no answer in time"):
            open_sink(SinkConfig("mqtt", {"host": "127.0.0.1", "port": port, "timeout_seconds": 0.3})).send(LINES)


# Kafka


def test_a_streams_lines_share_a_partition() -> None:
    end = KafkaEnd()
    lines = [b'{"stream":"gate-%d","n":%d}\n' % (number % 5, number) for number in range(100)]
    sink_of(end).send(lines)
    wait_for(lambda: len(end.received()) == len(lines))
    end.close()
    for stream in range(5):
        own = [(partition, value) for partition, key, value in end.messages if key == b"gate-%d" % stream]
        assert len({partition for partition, _ in own}) == 1
        assert [value for _, value in own] == [line.rstrip() for line in lines[stream::5]]


def test_a_line_that_kafka_takes_for_too_large_is_refused_alone() -> None:
    end = KafkaEnd()
    sink = sink_of(end, settings={"message.max.bytes": "2000"})
    sink.send([LINES[0], b'{"stream":"gate-1","x":"%s"}\n' % (b"x" * 3000), LINES[1]])
    wait_for(lambda: end.received() == BARE[:2])
    end.close()
    assert sink.refused == 1


def test_the_login_is_plain_over_tls_and_event_hubs_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.streams.sinks.kafka import KafkaOptions, _settings

    settings = _settings(KafkaOptions("n.servicebus.windows.net:9093", "t"), "Endpoint=sb://n/;SharedAccessKey=k")
    told = {key: settings[key] for key in ("security.protocol", "sasl.mechanism", "sasl.username", "acks")}
    assert list(told.values()) == ["SASL_SSL", "PLAIN", "$ConnectionString", "all"]
