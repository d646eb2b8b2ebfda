"""A sweep: which cells are measured, in what order, and what is kept after each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from benchmarks.serving.cells import CELLS, GENERATOR, INT8, MEMORY, NAMES, OVERLOAD, STREAMS, Cell
from benchmarks.serving.environments import installed, python_of
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.generator import generator
from benchmarks.serving.int8 import int8
from benchmarks.serving.machine import facts, stolen_seconds
from benchmarks.serving.memory import memory
from benchmarks.serving.overload import CELL as OVERLOAD_CELL
from benchmarks.serving.overload import PEERS as OVERLOAD_PEERS
from benchmarks.serving.overload import overload
from benchmarks.serving.records import Results
from benchmarks.serving.rounds import Bench, fleet, measure
from benchmarks.serving.servers import OURS, SERVERS, Server
from benchmarks.serving.streams import streams

OUR_SERVER = SERVERS[0]


@dataclass(frozen=True)
class Sweep:
    """What to measure, with what, and what is known so far; `save` keeps it."""

    bench: Bench
    servers: tuple[Server, ...]
    names: tuple[str, ...]
    results: Results
    save: Callable[[], None]


def run(sweep: Sweep) -> None:
    """Measure everything that is to be, and save after each cell. Raises BenchmarkError where our server fails."""
    sweep.results.facts = {**facts(), "rounds": sweep.bench.rounds, "seconds": sweep.bench.seconds}
    stolen = stolen_seconds()
    wanted = [cell for cell in CELLS if cell.name in sweep.names]
    for _, cells in groupby(wanted, lambda cell: cell.package):
        _closed_loop(sweep, list(cells))
    for name, measured in _extras(sweep).items():
        if name in sweep.names:
            _keep(sweep, name, measured)
    sweep.results.facts |= {"peers": _versions(sweep), "stolen_seconds": stolen_seconds() - stolen}
    sweep.results.finished = set(NAMES) <= {*sweep.results.cells, *sweep.results.extras}
    sweep.save()


def _closed_loop(sweep: Sweep, cells: list[Cell]) -> None:
    with fleet(sweep.bench, sweep.servers, cells[0], sweep.results) as servers:
        for cell in cells:
            sweep.results.cells[cell.name] = measure(sweep.bench, cell, servers, say)
            sweep.save()


def _extras(sweep: Sweep) -> dict[str, Callable[[], Any]]:
    return {
        INT8: lambda: int8(sweep.bench, OUR_SERVER, sweep.results, say),
        MEMORY: lambda: memory(sweep.bench, OUR_SERVER),
        OVERLOAD: lambda: _overload(sweep),
        STREAMS: lambda: streams(sweep.bench, say),
        GENERATOR: lambda: generator(sweep.bench),
    }


def _keep(sweep: Sweep, name: str, measured: Callable[[], Any]) -> None:
    """Measure an extra cell and save it; one that can't be measured is told on the page and stays to be done."""
    say(f"{name} ...")
    sweep.results.left_out.pop(name, None)
    try:
        found = measured()
    except BenchmarkError as error:
        sweep.results.left_out[name] = str(error)
        say(f"left out: {name}: {error}")
    else:
        (sweep.results.cells if name == INT8 else sweep.results.extras)[name] = found
    sweep.save()


def _overload(sweep: Sweep) -> dict[str, Any]:
    wanted = [server for server in sweep.servers if server.name in (OURS, *OVERLOAD_PEERS)]
    with ExitStack() as stack:
        servers = stack.enter_context(fleet(sweep.bench, wanted, OVERLOAD_CELL, sweep.results))
        return overload(sweep.bench, servers)


def _versions(sweep: Sweep) -> dict[str, str]:
    """Return the version of each peer, with those of the decoder and the runtime beneath it."""
    return {server.name: _version(sweep.bench, server) for server in sweep.servers if server.peer}


def _version(bench: Bench, server: Server) -> str:
    try:
        found = installed(python_of(server.peer, bench.home))
    except BenchmarkError:
        return "not installed"
    beneath = ", ".join(f"{name} {found.get(name, '?')}" for name in ("onnxruntime", "numpy", "simplejpeg"))
    return f"{server.package} {found.get(server.package, '?')} ({beneath})"


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, flush=True)
