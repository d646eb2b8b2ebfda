"""JSON over HTTP: https by the environment's proxy and authorities, loopback never by one, a failure as an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azurefake.certificates import Authority
from azurefake.faults import Drop
from azurefake.message import Answer, Request
from azurefake.proxy import running_proxy

from mlops.client import JsonClient, proxy_of

HOST = "https://scoring.example.com"


class Echo:
    """Answers each request with its host, path and headers, but for paths that break off."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def fault(self, request: Request) -> Answer | Drop | None:
        return Drop() if request.path == "/drop" else None

    def answer(self, request: Request) -> Answer:
        self.record(request)
        return Answer(200, {"host": request.host, "path": request.path, "body": request.json})

    def record(self, request: Request) -> None:
        self.seen.append(request)


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Echo]:
    behind, authority = Echo(), Authority(tmp_path)
    with running_proxy(behind, authority) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,.internal.example.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
        for name in ("https_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield behind


def test_https_goes_through_the_environments_proxy_by_one_kept_connection(echo: Echo) -> None:
    with JsonClient(HOST) as client:
        answers = [client.request("POST", "/score", {"n": n}, {"Authorization": "Bearer key"}) for n in (1, 2)]
    assert [answer.body["body"] for answer in answers] == [{"n": 1}, {"n": 2}]
    assert answers[0].body["host"] == "scoring.example.com"
    assert {request.headers["authorization"] for request in echo.seen} == {"Bearer key"}


def test_a_server_that_nobody_vouches_for_is_refused(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with JsonClient(HOST) as client:
        answer = client.request("POST", "/score", {})
    assert answer.status == 0 and "certificate" in answer.body.lower()
    assert echo.seen == []


def test_a_connection_that_breaks_off_is_status_0_and_the_next_request_gets_a_new_one(echo: Echo) -> None:
    with JsonClient(HOST) as client:
        assert client.request("GET", "/drop").status == 0
        assert client.request("GET", "/again").status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "a.internal.example.com"])
def test_loopback_and_the_hosts_of_no_proxy_are_reached_directly(echo: Echo, host: str) -> None:
    assert proxy_of(host) is None


def test_no_proxy_is_used_where_the_environment_names_none(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of("scoring.example.com") is not None
    monkeypatch.delenv("HTTPS_PROXY")
    assert proxy_of("scoring.example.com") is None


def test_a_proxy_that_wants_a_password_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            seen.append(self.headers["Proxy-Authorization"])
            self.send_error(407)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{server.server_address[1]}")
    with JsonClient(HOST) as client:
        answer = client.request("GET", "/")
    server.shutdown()
    server.server_close()
    assert seen == ["Basic bWU6cEBzcw=="]
    assert answer.status == 0 and "407" in answer.body


def test_plain_http_on_loopback_knows_no_proxy(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    class Plain(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"not JSON")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Plain)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with JsonClient(f"http://127.0.0.1:{server.server_address[1]}") as client:
        answer = client.request("GET", "/")
    server.shutdown()
    server.server_close()
    assert (answer.status, answer.body) == (200, "not JSON")
