"""The closed-loop cells: bare ONNX Runtime and every server in turn, round after round, the order rotating.

All servers of a model run side by side, and only the one being measured is awake: the others are stopped (SIGSTOP), so
that none takes time from another. A server's answer is checked against the model's before anything is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.bare import bare
from benchmarks.serving.cells import Cell
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import Payload
from benchmarks.serving.packages import Package
from benchmarks.serving.peers.scorer import Scorer, open_session
from benchmarks.serving.pictures import jpeg_picture, raw_frame
from benchmarks.serving.processes import cpu_seconds, pause, resume
from benchmarks.serving.records import BARE, Results, Round, Sample
from benchmarks.serving.servers import Launch, Running, Server, ask, check, running
from benchmarks.serving.wrk import Wrk, load


@dataclass(frozen=True)
class Bench:
    """Where and how long to measure: `home` holds models, environments and scratch folders."""

    home: Path
    wrk: Wrk
    seconds: int
    rounds: int
    packages: Mapping[str, Package]


Fleet = dict[str, Running]


def payload(package: Package, kind: str) -> Payload:
    """Return the raw frame or the JPEG file that a package is measured with."""
    body = jpeg_picture() if kind == "jpeg" else raw_frame(package.side)
    return Payload(kind, body, package.side)


def expected_label(package: Package, variant: str, given: Payload) -> str:
    """Return what the model answers to a payload."""
    scorer = Scorer(open_session(package.file(variant)), tuple(package.labels()), package.side)
    return scorer.best(scorer.logits(scorer.frames(given.body))[0])[0]


@contextmanager
def fleet(bench: Bench, servers: Sequence[Server], cell: Cell, results: Results) -> Iterator[Fleet]:
    """Run every server that can be run on a cell's package, checked, warm and stopped; the others are left out."""
    found: Fleet = {}
    with ExitStack() as stack:
        for server in servers:
            one = _try_start(bench, server, cell, results, stack)
            if one is not None:
                found[server.name] = one
                pause(one.process.pid)
        stack.callback(_wake, found)  # SIGTERM reaches only those who are awake
        yield found


def measure(bench: Bench, cell: Cell, servers: Fleet, say: Callable[[str], None]) -> list[Round]:
    """Return the rounds of one cell."""
    given = payload(bench.packages[cell.package], cell.kind)
    names = [BARE, *servers]
    rounds = []
    for number in range(bench.rounds):
        turn = number % len(names)
        rounds.append({name: sample(bench, cell, servers, name, given) for name in names[turn:] + names[:turn]})
        say(f"{cell.name} round {number + 1} of {bench.rounds}: {_shares(rounds[-1])}")
    return rounds


def sample(bench: Bench, cell: Cell, servers: Fleet, name: str, given: Payload) -> Sample:
    """Measure one participant once."""
    if name == BARE:
        return measure_bare(bench, cell, given)
    return measure_server(bench, cell, servers[name], given)


def measure_bare(bench: Bench, cell: Cell, given: Payload) -> Sample:
    """Measure bare ONNX Runtime on a payload."""
    package, body = bench.packages[cell.package], bench.home / "scratch" / "bare.bin"
    body.parent.mkdir(parents=True, exist_ok=True)
    body.write_bytes(given.body)
    done = bare(package.file(cell.variant), package.side, body, cell.clients, bench.seconds)
    return Sample(done.rate, done.cpu_ms)


def measure_server(bench: Bench, cell: Cell, one: Running, given: Payload) -> Sample:
    """Wake a server, load it, and stop it again."""
    message, scratch = one.message(given), bench.home / "scratch" / "wrk"
    resume(one.process.pid)
    try:
        ask(one.port, message)  # it has slept: the first answer is no sample
        before = cpu_seconds(one.process.pid)
        done = load(bench.wrk, one.port, message, cell.clients, bench.seconds, scratch)
        spent = cpu_seconds(one.process.pid) - before
    finally:
        pause(one.process.pid)
    good = max(done.requests - done.failures, 1)
    generator = 1e6 * done.cpu_seconds / done.requests
    return Sample(done.rate, 1e3 * spent / good, done.p50_ms, done.p99_ms, done.failures, generator)


def _try_start(bench: Bench, server: Server, cell: Cell, results: Results, stack: ExitStack) -> Running | None:
    package = bench.packages[cell.package]
    scratch = bench.home / "scratch" / f"{server.name}-{package.name}-{cell.variant}"
    launch = Launch(package, cell.variant, scratch, server.workers)
    try:
        one = stack.enter_context(running(server, launch, bench.home))
        for kind in ("raw", "jpeg"):
            given = payload(package, kind)
            check(one, given, expected_label(package, cell.variant, given))
    except BenchmarkError as error:
        results.left_out[f"{server.name}, {package.name}"] = str(error)
        print(f"left out: {server.name}: {error}", flush=True)
        return None
    results.left_out.pop(f"{server.name}, {package.name}", None)
    return one


def _wake(servers: Fleet) -> None:
    for one in servers.values():
        resume(one.process.pid)


def _shares(done: Round) -> str:
    return " ".join(f"{name} {one.rate / done[BARE].rate:.2f}" for name, one in done.items() if name != BARE)
