"""Is the load generator the bottleneck? wrk against a server that does nothing: its rate, and its time a request."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import visionline
from benchmarks.serving.rounds import Bench, payload
from benchmarks.serving.servers import REPOSITORY, free_ports, listens
from benchmarks.serving.wrk import load

CLIENTS = (1, 8, 32)
KINDS = ("raw", "jpeg")
START_SECONDS = 10.0


def generator(bench: Bench) -> dict[str, dict[str, float]]:
    """Return, for each payload of the tiny model and number of clients, requests a second and wrk's own time."""
    return {f"{kind}-{clients}": _limit(bench, kind, clients) for kind in KINDS for clients in CLIENTS}


def _limit(bench: Bench, kind: str, clients: int) -> dict[str, float]:
    message = visionline(payload(bench.packages["tiny"], kind), "tiny")
    port, _ = free_ports()
    command: list[Any] = [sys.executable, "-m", "benchmarks.serving.responder", str(port), str(len(message.body))]
    responder = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        _wait(port)
        done = load(bench.wrk, port, message, clients, 1, bench.home / "scratch" / "wrk")
    finally:
        responder.kill()
        responder.wait()
    return {"rate": done.rate, "generator_us": 1e6 * done.cpu_seconds / done.requests}


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not listens(port):
        if time.monotonic() > deadline:
            raise BenchmarkError("the responder did not start: see its error above")
        time.sleep(0.02)
