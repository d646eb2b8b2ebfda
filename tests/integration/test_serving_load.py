"""Clients that keep asking: what they write down, and what counts as failed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from model_packages import MODEL, declared, make_package
from running_endpoint import environment, picture, run_serving, running_endpoint, wait_for
from serving.client import Client

Conversation = Callable[[socket.socket], None]


def lines(path: Path) -> list[dict[str, Any]]:
    """Return what a file of JSON lines holds, without a line that is still being written."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_clients_note_every_request_and_end_when_told(tmp_path: Path) -> None:
    package, out = make_package(tmp_path / "package"), tmp_path / "out" / "load.jsonl"
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        endpoint.declare({"1": declared(package), "2": declared(package, "fp32")}, {"1": 50, "2": 50})
        flags = ["--url", endpoint.url, "--model", MODEL, "--images", str(package), "--clients", "3", "--rate", "100"]
        command = [sys.executable, "-m", "serving.load", *flags, "--out", str(out)]
        with subprocess.Popen(command, env=environment()) as process:
            wait_for(lambda: len(lines(out)) >= 30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        counted = {version: one["requests"] for version, one in endpoint.report()["deployments"].items()}
    samples, figures = lines(out), json.loads(out.with_name("load.json").read_text(encoding="utf-8"))
    assert {sample["status"] for sample in samples} == {200}
    assert all(sample["t"] > 1e9 and sample["ms"] > 0 for sample in samples)
    assert (figures["requests_total"], figures["requests_failed"]) == (len(samples), 0)
    assert figures["versions"] == counted
    assert 0 < figures["ms_p50"] <= figures["ms_p99"]


def test_requests_to_a_server_that_died_are_counted_as_failed(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(picture((1, 2, 3)))
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        endpoint.declare({"1": declared(make_package(tmp_path / "package"))}, {"1": 100})
        flags = ["--url", endpoint.url, "--model", MODEL, "--images", str(tmp_path / "image.png"), "--rate", "50"]
        command = [sys.executable, "-m", "serving.load", *flags, "--out", str(tmp_path / "load.jsonl")]
        with subprocess.Popen(command, env=environment()) as process:
            wait_for(lambda: lines(tmp_path / "load.jsonl"))
            endpoint.process.kill()
            wait_for(lambda: lines(tmp_path / "load.jsonl")[-1]["status"] == 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    figures = json.loads((tmp_path / "load.json").read_text(encoding="utf-8"))
    assert figures["requests_failed"] == sum(line["status"] != 200 for line in lines(tmp_path / "load.jsonl")) > 0
    assert lines(tmp_path / "load.jsonl")[-1]["version"] is None


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("--model", "other", "model other is not served here"),
        ("--url", "http://127.0.0.1:1", "refused"),
        ("--url", "localhost", "write http://host:port"),
        ("--images", "nothing", "holds neither golden.json nor images"),
    ],
)
def test_what_can_not_begin_is_said_in_one_line(tmp_path: Path, flag: str, value: str, reason: str) -> None:
    (tmp_path / "image.png").write_bytes(picture((1, 2, 3)))
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        flags = ("--url", endpoint.url, "--model", MODEL, "--images", tmp_path, "--out", tmp_path / "load.jsonl")
        result = run_serving("load", *flags, flag, value)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert reason in result.stderr
    assert not (tmp_path / "load.jsonl").exists()


def answer(connection: socket.socket, content: bytes = b'{"model_version": "1"}') -> None:
    """Read one request and answer it, keeping the connection."""
    received = b""
    while not received.endswith(b"body"):
        received += connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))


def hang_up(connection: socket.socket) -> None:
    """Read a request and close without a word."""
    connection.recv(1000)


def break_off(connection: socket.socket) -> None:
    """Read a request and close in the middle of the answer."""
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def answer_and_hang_up_on_the_next(connection: socket.socket) -> None:
    """Answer a request, then close while the next one comes."""
    answer(connection)
    connection.recv(1000)


@contextmanager
def server(*conversations: Conversation) -> Iterator[str]:
    """Accept a connection per conversation, one after another, close each when it has ended, and return the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            for conversation in conversations:
                connection, _ = listener.accept()
                with connection:
                    conversation(connection)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive(), "every conversation took place"


def ask(url: str, times: int) -> list[int]:
    """Return the statuses of so many requests over one client."""
    with closing(Client(url)) as client:
        return [client.request("POST", "/score", b"body")[0] for _ in range(times)]


def test_a_connection_closed_while_idle_is_opened_again() -> None:
    with server(answer, answer) as url:
        assert ask(url, 2) == [200, 200]


def test_a_connection_closed_as_a_request_comes_is_opened_again() -> None:
    with server(answer_and_hang_up_on_the_next, answer) as url:
        assert ask(url, 2) == [200, 200]


def test_a_request_is_sent_again_once_only() -> None:
    with server(answer_and_hang_up_on_the_next, hang_up) as url:
        assert ask(url, 2) == [200, 0]


def test_a_fresh_connection_that_is_closed_counts_as_failed() -> None:
    with server(hang_up, answer) as url:
        assert ask(url, 2) == [0, 200]


def test_an_answer_that_breaks_off_counts_as_failed() -> None:
    with server(break_off, answer) as url:
        assert ask(url, 2) == [0, 200]
