"""Three times more requests than a server can answer: how many it answers, how late, and what becomes of the rest.

Capacity is measured first, in a closed loop. Goodput is what is answered with 200 before the client gives up, a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.serving.cells import OVERLOAD_FACTOR, Cell
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import Payload
from benchmarks.serving.openloop import GIVE_UP_SECONDS
from benchmarks.serving.processes import cpu_seconds, pause, resume
from benchmarks.serving.rounds import Bench, Fleet, payload
from benchmarks.serving.servers import REPOSITORY, Running
from benchmarks.serving.wrk import load

# The slower model: an arrival costs the generator little beside what an answer costs the server.
CELL = Cell("overload", "mobilenetv2", "jpeg", 16, 0.0)
PEERS = ("triton", "mosec", "uvicorn")
SECONDS = 8.0


def overload(bench: Bench, servers: Fleet, seconds: float = SECONDS) -> dict[str, dict[str, Any]]:
    """Return, for each server, its capacity and what became of three times as many requests."""
    given = payload(bench.packages[CELL.package], CELL.kind)
    return {name: _overload_one(bench, one, given, seconds) for name, one in servers.items()}


def _overload_one(bench: Bench, one: Running, given: Payload, seconds: float) -> dict[str, Any]:
    message, scratch = one.message(given), bench.home / "scratch" / "wrk"
    resume(one.process.pid)
    try:
        capacity = load(bench.wrk, one.port, message, CELL.clients, bench.seconds, scratch).rate
        request = scratch / "request.bin"
        request.write_bytes(message.bytes(f"127.0.0.1:{one.port}"))
        before = cpu_seconds(one.process.pid)
        done = _open_loop(one.port, str(request), OVERLOAD_FACTOR * capacity, seconds)
        spent = cpu_seconds(one.process.pid) - before
    finally:
        pause(one.process.pid)
    shares = {"goodput_share": done["goodput"] / capacity, "cpu_ms": 1e3 * spent / max(done["goodput"] * seconds, 1)}
    return {"capacity": capacity, **done, **shares, "clients_give_up_s": GIVE_UP_SECONDS}


def _open_loop(port: int, request: str, rate: float, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.serving.openloop", str(port), request, f"{rate}", f"{seconds}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        raise BenchmarkError(f"the open loop ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
