"""The servers to measure: one table, and how one of them is started until it answers what the model says.

What a peer runs, and why its settings are its best, stands in peers/<name>/server.py.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.environments import PEERS, python_of
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import Builder, Message, Payload, binary_bytes, kserve_v1, plain, visionline
from benchmarks.serving.packages import Package
from benchmarks.serving.processes import start, stop, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = "visionline"
START_SECONDS = 60.0
WARM_UP_REQUESTS = 20
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DO_NOT_TRACK": "1", "BENTOML_DO_NOT_TRACK": "true"}


@dataclass(frozen=True)
class Server:
    """A server to measure. `package` names what it is in its environment.

    `workers` are the processes that score, each at most `batch` bodies together where the peer can do that.
    """

    name: str
    package: str
    message: Builder
    peer: str = ""
    workers: int = 2
    batch: int = 1


SERVERS = (
    Server(OURS, "visionline", visionline),
    Server("triton", "nvidia-pytriton", binary_bytes, "triton", batch=8),
    Server("triton-1", "nvidia-pytriton", binary_bytes, "triton", workers=1, batch=8),
    Server("mosec", "mosec", plain, "mosec"),
    Server("mosec-batch", "mosec", plain, "mosec", batch=8),
    Server("mlserver", "mlserver", plain, "mlserver"),
    Server("kserve", "kserve", kserve_v1, "kserve"),
    Server("litserve", "litserve", plain, "litserve"),
    Server("bentoml", "bentoml", plain, "bentoml"),
    Server("azureml", "azureml-inference-server-http", plain, "azureml"),
    Server("uvicorn", "uvicorn", plain, "uvicorn"),
    Server("fastapi", "fastapi", plain, "fastapi"),
    Server("granian", "granian", plain, "granian"),
)


@dataclass(frozen=True)
class Launch:
    """What a server shall serve: a variant of a package; `scratch` is a folder of its own."""

    package: Package
    variant: str
    scratch: Path
    workers: int


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    server: Server
    launch: Launch
    process: subprocess.Popen[bytes]
    port: int

    def message(self, payload: Payload) -> Message:
        """Return the request that carries a payload to this server."""
        return self.server.message(payload, self.launch.package.name)


@contextmanager
def running(server: Server, launch: Launch, home: Path) -> Iterator[Running]:
    """Run a server until the block ends. Raises BenchmarkError where it can't be installed or does not start."""
    launch.scratch.mkdir(parents=True, exist_ok=True)
    python = Path(sys.executable) if not server.peer else python_of(server.peer, home)
    log = launch.scratch / "server.log"
    port, second = free_ports()
    command, environment = _command(server, launch, python, port), _environment(server, launch, port, second)
    process = start(command, environment, log)
    try:
        wait_until(lambda: listens(port), process, log, START_SECONDS)
        yield Running(server, launch, process, port)
    finally:
        stop(process)


def check(one: Running, payload: Payload, label: str) -> None:
    """Ask until it answers the model's label, then warm it up. Raises BenchmarkError where it answers otherwise."""
    log = one.launch.scratch / "server.log"
    answers = [ask(one.port, one.message(payload))]
    wait_until(lambda: _retry(answers, one, payload), one.process, log, START_SECONDS)
    status, body = answers[-1]
    if label.encode() not in body:
        raise BenchmarkError(f"{one.server.name} answers {status} {body[:200]!r} to {payload.kind}, not {label}")
    for _ in range(WARM_UP_REQUESTS):
        ask(one.port, one.message(payload))


def ask(port: int, message: Message) -> tuple[int, bytes]:
    """Send one request and return status and body; status 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", message.path, message.body, message.headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody listens on."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _retry(answers: list[tuple[int, bytes]], one: Running, payload: Payload) -> bool:
    # Not ready, or nobody there yet: workers of most peers load the model after the port is open.
    if answers[-1][0] not in (0, 404, 500, 502, 503):
        return True
    answers.append(ask(one.port, one.message(payload)))
    return answers[-1][0] == 200


def _command(server: Server, launch: Launch, python: Path, port: int) -> list[str]:
    if server.peer:
        return [str(python), str(PEERS / server.peer / "server.py"), *_flags(server, port)]
    declare(launch)
    flags = ["--directory", str(launch.scratch), "--port", str(port), "--workers", str(launch.workers)]
    return [str(python), "-m", "serving.endpoint", *flags]


def _flags(server: Server, port: int) -> list[str]:
    # mosec reads its settings from the command line only.
    return ["--port", str(port), "--log-level", "error"] if server.peer == "mosec" else []


def declare(launch: Launch) -> None:
    """Write the declared state that makes our server serve a package."""
    package = launch.package
    deployment = {"package": str(package.folder), "digest": package.digest, "variant": launch.variant}
    model = {"deployments": {"1": deployment}, "traffic": {"1": 100}, "shadow": None}
    desired = {"generation": 1, "models": {package.name: model}}
    (launch.scratch / "desired.json").write_text(json.dumps(desired), encoding="utf-8")


def _environment(server: Server, launch: Launch, port: int, second: int) -> dict[str, str]:
    told = {
        "BENCHMARK_MODEL": launch.package.file(launch.variant),
        "BENCHMARK_LABELS": launch.package.folder / "labels.json",
        "BENCHMARK_SIDE": launch.package.side,
        "BENCHMARK_SCRATCH": launch.scratch,
        "BENCHMARK_PORT": port,
        "BENCHMARK_SECOND_PORT": second,
        "BENCHMARK_WORKERS": launch.workers,
        "BENCHMARK_BATCH": server.batch,
    }
    path = f"{PEERS}:{PEERS / server.peer}" if server.peer else str(REPOSITORY / "src")
    return {**os.environ, **ONE_THREAD, **{name: str(value) for name, value in told.items()}, "PYTHONPATH": path}
