"""What a further worker process costs in memory: the PSS of our server's processes with one, two and three workers.

PSS shares each page among the processes that map it, so the step from n to n + 1 workers is what one more really takes.
"""

from __future__ import annotations

from typing import Any

from benchmarks.serving.cells import Cell
from benchmarks.serving.processes import shared_out_memory
from benchmarks.serving.rounds import Bench, expected_label, payload
from benchmarks.serving.servers import Launch, Server, check, running
from benchmarks.serving.wrk import load

CELL = Cell("memory", "mobilenetv2", "jpeg", 12, 0.0)
WORKERS = (1, 2, 3)
SECONDS = 1


def memory(bench: Bench, server: Server) -> dict[str, Any]:
    """Return a server's MB at each number of workers, each having scored, and the size of the model file."""
    package = bench.packages[CELL.package]
    used = {str(workers): _used(bench, server, workers) for workers in WORKERS}
    added = (used[str(WORKERS[-1])] - used[str(WORKERS[0])]) / (WORKERS[-1] - WORKERS[0])
    return {"mb": used, "mb_a_worker": added, "model_mb": package.file(CELL.variant).stat().st_size / 2**20}


def _used(bench: Bench, server: Server, workers: int) -> float:
    package = bench.packages[CELL.package]
    scratch = bench.home / "scratch" / f"memory-{server.name}-{workers}"
    given = payload(package, CELL.kind)
    with running(server, Launch(package, CELL.variant, scratch, workers), bench.home) as one:
        check(one, given, expected_label(package, CELL.variant, given))
        load(bench.wrk, one.port, one.message(given), CELL.clients, SECONDS, bench.home / "scratch" / "wrk")
        return shared_out_memory(one.process.pid)
