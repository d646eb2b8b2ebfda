"""An endpoint of several processes: connections shared evenly, a killed worker replaced, an end that loses nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from model_packages import MODEL, declared, make_package
from running_endpoint import DEADLINE_SECONDS, RunningEndpoint, picture, running_endpoint, wait_for
from serving.supervisor import Supervisor

CLIENTS = 8
SUCCESS = re.compile("^nv_inference_request_success{.*} ")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package."""
    return make_package(tmp_path_factory.mktemp("package"))


def pids(endpoint: RunningEndpoint) -> list[int]:
    """Return the process numbers of the workers."""
    return [worker["pid"] for worker in endpoint.report()["workers"]["running"]]


def is_alive(pid: int) -> bool:
    """Tell whether a process lives; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_connections_go_to_the_worker_with_the_fewest(package: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        endpoint.declare({"1": declared(package)}, {"1": 100})
        clients = [socket.create_connection(("127.0.0.1", endpoint.server["port"])) for _ in range(CLIENTS)]
        wait_for(lambda: sum(one["connections"] for one in endpoint.report()["workers"]["running"]) > CLIENTS)
        counts = [one["connections"] for one in endpoint.report()["workers"]["running"]]
        assert len(counts) == 2 and abs(counts[0] - counts[1]) <= 1
        for client in clients:
            client.close()


def test_a_worker_that_is_killed_is_replaced_and_the_others_answer(package: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        generation = endpoint.declare({"1": declared(package)}, {"1": 100})["observed_generation"]
        assert ask_all(endpoint) == 2 * CLIENTS
        before = [line for line in endpoint.client.get("/metrics").text.splitlines() if SUCCESS.match(line)]
        killed = pids(endpoint)[0]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: not is_alive(killed))
        answer = httpx.post(f"{endpoint.url}/score", content=picture((220, 9, 9)), trust_env=False, timeout=30)
        assert answer.json()["label"] == "red"
        endpoint.client.close()  # its connection may have been the killed one's
        endpoint.client = httpx.Client(base_url=endpoint.url, timeout=DEADLINE_SECONDS, trust_env=False)
        report = endpoint.wait_until_observed(generation)
        assert report["workers"]["restarts"] == 1 and len(report["workers"]["running"]) == 2
        assert killed not in pids(endpoint)
        assert report["deployments"]["1"]["requests"] == 2 * CLIENTS + 1, "what it had counted stays"
        after = [line for line in endpoint.client.get("/metrics").text.splitlines() if SUCCESS.match(line)]
        assert [float(SUCCESS.sub("", line)) for line in (*before, *after)] == [2 * CLIENTS, 2 * CLIENTS + 1]


def ask_all(endpoint: RunningEndpoint) -> int:
    """Ask twice on each of several connections, which the workers share; return how many requests were answered."""
    clients = [httpx.Client(base_url=endpoint.url, trust_env=False, timeout=DEADLINE_SECONDS) for _ in range(CLIENTS)]
    for client in 2 * clients:
        client.post("/score", content=picture((220, 9, 9)))
    for client in clients:
        client.close()
    return endpoint.report()["deployments"]["1"]["requests"]


def started_workers(pid: int) -> set[int]:
    """Return the process numbers of the workers that a server has started, from when they run their own program."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return {int(child) for child in children if b"serving.worker" in Path(f"/proc/{child}/cmdline").read_bytes()}


def test_a_worker_that_is_not_ready_yet_gets_no_connection_while_another_is(package: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        endpoint.declare({"1": declared(package)}, {"1": 100})
        before = pids(endpoint)
        os.kill(before[0], signal.SIGKILL)
        new = wait_for(lambda: started_workers(endpoint.process.pid) - set(before)).pop()
        os.kill(new, signal.SIGSTOP)  # it stays as it is: on its way
        clients = [httpx.Client(base_url=endpoint.url, trust_env=False, timeout=30) for _ in range(CLIENTS)]
        try:
            for client in clients:
                assert client.post("/score", content=picture((220, 9, 9))).status_code == 200
        finally:
            os.kill(new, signal.SIGCONT)
            for client in clients:
                client.close()


def test_where_no_worker_can_be_started_another_one_is_tried_until_one_can(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program, runs = tmp_path / "worker", tmp_path / "runs"
    program.write_text(f"#!/bin/sh\necho run >> {runs}\nmv {program} {program}.away\n", encoding="utf-8")
    program.chmod(0o755)

    said: list[str] = []

    def has_said_it_twice() -> bool:
        said.append(capfd.readouterr().err)
        return "".join(said).count("a worker cannot be started (No such file or directory): it is tried again\n") >= 2

    async def scenario() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            supervisor = Supervisor([str(program)], 1, listener)
            running = asyncio.create_task(supervisor.run())
            await is_true(lambda: supervisor.restarts == 1)
            await is_true(has_said_it_twice)
            assert not running.done() and not supervisor.workers
            program.with_name("worker.away").rename(program)
            await is_true(lambda: supervisor.restarts == 2)
            os.kill(os.getpid(), signal.SIGTERM)
            await running
            return supervisor.restarts

    assert asyncio.run(scenario()) == runs.read_text(encoding="utf-8").count("run") == 2


def test_a_defect_of_the_supervisor_is_no_good_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with pytest.raises(ValueError, match="null byte"):
            asyncio.run(Supervisor(["\0"], 1, listener).run())


async def is_true(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def test_workers_do_not_outlive_their_endpoint(package: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        endpoint.declare({"1": declared(package)}, {"1": 100})
        workers = pids(endpoint)
        endpoint.process.kill()
        wait_for(lambda: not any(is_alive(pid) for pid in workers))


class Asker(threading.Thread):
    """Asks on one connection after another until the port is closed, and notes each request that got no answer."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.answered, self.lost = port, 0, 0
        body = picture((9, 220, 9))
        head = f"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body

    def run(self) -> None:
        """Ask."""
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS)
            except ConnectionRefusedError:
                return
            with connection:
                while self.is_kept(connection):
                    pass

    def is_kept(self, connection: socket.socket) -> bool:
        """Ask once; tell whether the connection may be used again."""
        try:
            connection.sendall(self.request)
            answer = connection.recv(65536)
        except OSError:
            answer = b""
        if not answer.startswith(b"HTTP/1.1 200"):
            self.lost += 1
            return False
        self.answered += 1
        return b"connection: close" not in answer


def test_an_end_under_load_loses_no_request(package: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        endpoint.declare({"1": declared(package)}, {"1": 100})
        askers = [Asker(endpoint.server["port"]) for _ in range(CLIENTS)]
        for asker in askers:
            asker.start()
        wait_for(lambda: all(asker.answered > 20 for asker in askers))
        assert endpoint.stop() == 0
        for asker in askers:
            asker.join(DEADLINE_SECONDS)
        assert [asker.lost for asker in askers] == [0] * CLIENTS


def test_while_it_ends_an_endpoint_is_not_ready(package: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "1") as endpoint:
        endpoint.declare({"1": declared(package)}, {"1": 100})
        assert endpoint.client.get("/v2/health/ready").status_code == 200
        endpoint.process.terminate()
        seen = set()

        def is_told() -> bool:
            try:
                seen.add(endpoint.client.get(f"/v2/models/{MODEL}/ready").status_code)
                return endpoint.client.get("/v2/health/ready").status_code == 503
            except httpx.TransportError:
                return True

        wait_for(is_told)
        assert seen <= {200}
        assert endpoint.process.wait(DEADLINE_SECONDS) == 0


def test_workers_hear_whether_an_endpoint_has_one_client_or_more(package: Path, tmp_path: Path) -> None:
    def told() -> list[bool]:
        return [one["has_the_machine"] for one in endpoint.report()["workers"]["running"]]

    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        endpoint.declare({"1": declared(package)}, {"1": 100})
        wait_for(lambda: told() == [True, True])
        with socket.create_connection(("127.0.0.1", endpoint.server["port"])):
            wait_for(lambda: told() == [False, False])
        wait_for(lambda: told() == [True, True])
