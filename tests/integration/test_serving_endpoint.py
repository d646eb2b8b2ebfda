"""A running endpoint under load, killed, told twice, told nonsense."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from model_packages import declared, make_package
from running_endpoint import RunningEndpoint, declare, picture, run_serving, running_endpoint, wait_for
from serving.client import Client

IMAGE = picture((220, 10, 10))


@dataclass(frozen=True)
class Answered:
    """One request: when it was sent (monotonic), its status and the version that answered."""

    sent: float
    status: int
    version: str | None


@contextmanager
def clients(url: str, count: int) -> Iterator[list[Answered]]:
    """Have several clients ask without pause for the length of the block; the list holds every request afterwards."""
    stop, answers = threading.Event(), list[Answered]()

    def ask() -> None:
        with closing(Client(url)) as client:
            while not stop.is_set():
                sent = time.monotonic()
                status, body = client.request("POST", "/score", IMAGE)
                answers.append(Answered(sent, status, body.get("model_version")))

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(ask) for _ in range(count)]
        try:
            yield answers
        finally:
            stop.set()
    for one in running:
        one.result()


def wait_for_more(answers: list[Answered], count: int, is_meant: Callable[[Answered], bool] = lambda one: True) -> None:
    """Wait until so many more requests, of those meant, were answered."""
    start = len(answers)
    wait_for(lambda: sum(map(is_meant, answers[start:])) >= count)


@pytest.fixture
def packages(tmp_path: Path) -> dict[str, dict[str, str]]:
    """Return the declarations of versions 1, 2 and 3, and of one that does not load."""
    good = {v: declared(make_package(tmp_path / "packages" / v, version_bias=float(v) / 10)) for v in ("1", "2", "3")}
    return {**good, "broken": {**good["1"], "digest": "sha256:0"}}


def test_traffic_that_moves_under_load_loses_no_request(tmp_path: Path, packages: dict[str, dict[str, str]]) -> None:
    one, two, three = (packages[version] for version in ("1", "2", "3"))
    removed: list[tuple[float, str]] = []
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        endpoint.declare({"1": one}, {"1": 100})
        with clients(endpoint.url, 4) as answers:
            wait_for_more(answers, 20)
            endpoint.declare({"1": one, "2": two}, {"1": 100})
            endpoint.declare({"1": one, "2": two}, {"1": 90, "2": 10})
            wait_for_more(answers, 5, lambda answer: answer.version == "2")
            endpoint.declare({"1": one, "2": two}, {"2": 100})
            endpoint.declare({"2": two}, {"2": 100})
            removed.append((time.monotonic(), "1"))
            wait_for_more(answers, 50)
            endpoint.declare({"2": two, "3": packages["broken"]}, {"3": 100})
            wait_for_more(answers, 20)
            report = endpoint.declare({"3": three}, {"3": 100})
            removed.append((time.monotonic(), "2"))
            wait_for_more(answers, 50)
    assert {answer.status for answer in answers} == {200}
    for moment, version in removed:
        assert [a for a in answers if a.version == version and a.sent > moment] == []
    assert {answer.version for answer in answers} == {"1", "2", "3"}
    assert (list(report["deployments"]), report["traffic"]) == (["3"], {"3": 100})


def test_versions_that_come_and_go_without_pause_lose_no_request(
    tmp_path: Path, packages: dict[str, dict[str, str]]
) -> None:
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        endpoint.declare({"1": packages["1"]}, {"1": 100})
        with clients(endpoint.url, 3) as answers:
            for turn in range(20):
                version = str(turn % 3 + 1)
                endpoint.declare({version: packages[version]}, {version: 100})
                moment = time.monotonic()
                wait_for_more(answers, 8, lambda answer: answer.sent > moment)
                assert {answer.version for answer in answers if answer.sent > moment} == {version}
    assert {answer.status for answer in answers} == {200}


def test_a_killed_server_starts_again_as_it_was(tmp_path: Path, packages: dict[str, dict[str, str]]) -> None:
    folder = tmp_path / "endpoint"
    with running_endpoint(folder) as first:
        before = first.declare({"1": packages["1"], "2": packages["2"]}, {"1": 75, "2": 25})
        first.process.kill()
        first.process.wait()
    with running_endpoint(folder) as second:
        after = second.wait_until_observed(1)
        assert second.server["pid"] == second.process.pid != first.server["pid"]
        assert (after["traffic"], after["deployments"]) == (before["traffic"], before["deployments"])
        assert second.client.post("/score", content=IMAGE).status_code == 200


def test_a_server_killed_while_it_loads_ends_the_work_when_it_starts_again(
    tmp_path: Path, packages: dict[str, dict[str, str]]
) -> None:
    folder = tmp_path / "endpoint"
    with running_endpoint(folder) as first:
        declare(folder, {"1": packages["1"], "2": packages["2"]}, {"2": 100})
        first.process.kill()
        first.process.wait()
    with running_endpoint(folder) as second:
        assert second.wait_until_observed(1)["traffic"] == {"2": 100}


def test_a_second_server_on_the_folder_is_refused(tmp_path: Path, packages: dict[str, dict[str, str]]) -> None:
    folder = tmp_path / "endpoint"
    with running_endpoint(folder) as endpoint:
        endpoint.declare({"1": packages["1"]}, {"1": 100})
        before = (folder / "server.json").read_text(encoding="utf-8")
        second = run_serving("endpoint", "--directory", folder)
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr == f"error: {folder}: another server serves this folder: end it first\n"
        assert (folder / "server.json").read_text(encoding="utf-8") == before
        assert endpoint.client.post("/score", content=IMAGE).status_code == 200


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_serving("endpoint", "--directory", tmp_path / "endpoint", "--port", str(port))
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"127.0.0.1:{port}: cannot be listened on" in result.stderr


def test_a_server_told_to_end_answers_what_it_was_asked(tmp_path: Path, packages: dict[str, dict[str, str]]) -> None:
    head = f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: {len(IMAGE)}\r\n\r\n".encode()
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        endpoint.declare({"1": packages["1"]}, {"1": 100})
        address = ("127.0.0.1", endpoint.server["port"])
        with socket.create_connection(address, timeout=60) as raw:
            raw.sendall(head + IMAGE[:-1])
            wait_for(lambda: endpoint.client.get("/v2/health/live").status_code == 200)
            endpoint.process.terminate()
            wait_for(lambda: not _accepts(address))
            raw.sendall(IMAGE[-1:])
            assert raw.recv(10_000).startswith(b"HTTP/1.1 200")
        assert endpoint.process.wait(timeout=60) == 0


def _accepts(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=60).close()
        return True
    except ConnectionRefusedError:
        return False


def test_a_package_that_is_gone_after_it_was_loaded_is_served_on(
    tmp_path: Path, packages: dict[str, dict[str, str]]
) -> None:
    with running_endpoint(tmp_path / "endpoint") as endpoint:
        endpoint.declare({"1": packages["1"]}, {"1": 100})
        (tmp_path / "packages").rename(tmp_path / "elsewhere")
        report = endpoint.declare({"1": packages["1"], "2": packages["2"]}, {"1": 100})
        assert report["deployments"]["1"]["state"] == "ready"
        assert "cannot be read" in report["deployments"]["2"]["reason"]
        assert endpoint.client.post("/score", content=IMAGE).json()["model_version"] == "1"


def test_nonsense_in_desired_json_is_said_and_what_is_served_stays(
    tmp_path: Path, packages: dict[str, dict[str, str]]
) -> None:
    folder = tmp_path / "endpoint"
    folder.mkdir()
    desired = folder / "desired.json"
    desired.write_text("{", encoding="utf-8")
    with running_endpoint(folder) as endpoint:
        assert "not JSON" in _error(endpoint)
        assert endpoint.client.post("/score", content=IMAGE).status_code == 503
        desired.unlink()
        endpoint.declare({"1": packages["1"]}, {"1": 100})
        good = desired.read_text(encoding="utf-8")
        desired.write_text(json.dumps({"generation": 5}), encoding="utf-8")
        assert "should have the keys" in _error(endpoint)
        assert endpoint.client.post("/score", content=IMAGE).status_code == 200
        desired.write_text(good, encoding="utf-8")
        wait_for(lambda: endpoint.report()["error"] is None)
        assert endpoint.wait_until_observed(1)["traffic"] == {"1": 100}


def _error(endpoint: RunningEndpoint) -> str:
    return wait_for(lambda: endpoint.report()["error"])
