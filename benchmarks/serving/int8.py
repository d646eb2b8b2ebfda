"""INT8 against fp32 of one package: what our server gains by it, beside what bare ONNX Runtime gains by it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.serving.cells import INT8_CELLS, Cell
from benchmarks.serving.messages import Payload
from benchmarks.serving.records import BARE, Results, Round, Sample
from benchmarks.serving.rounds import Bench, fleet, measure_bare, measure_server, payload
from benchmarks.serving.servers import OURS, Running, Server


@dataclass(frozen=True)
class Entry:
    """One of the four: a variant, run bare (None) or by the server."""

    cell: Cell
    running: Running | None

    @property
    def name(self) -> str:
        """Return the name under which its samples stand."""
        return f"{OURS if self.running else BARE}-{self.cell.variant}"


def int8(bench: Bench, server: Server, results: Results, say: Callable[[str], None]) -> list[Round]:
    """Return rounds of the two variants, bare and served. Raises KeyError where the server does not start."""
    given = payload(bench.packages[INT8_CELLS[0].package], INT8_CELLS[0].kind)
    with ExitStack() as stack:
        served = [stack.enter_context(fleet(bench, [server], cell, results))[OURS] for cell in INT8_CELLS]
        entries = [Entry(cell, one) for cell, one in zip(INT8_CELLS, served, strict=True)]
        entries += [Entry(cell, None) for cell in INT8_CELLS]
        rounds = []
        for number in range(bench.rounds):
            turn = number % len(entries)
            order = entries[turn:] + entries[:turn]
            rounds.append({one.name: _sample(bench, one, given) for one in order})
            say(f"int8 round {number + 1} of {bench.rounds}")
    return rounds


def _sample(bench: Bench, entry: Entry, given: Payload) -> Sample:
    if entry.running is None:
        return measure_bare(bench, entry.cell, given)
    return measure_server(bench, entry.cell, entry.running, given)
