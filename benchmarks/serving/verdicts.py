"""Whether the targets are met: pure rules over what was measured. A cell that was not measured has no verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.serving.cells import (
    CELLS,
    GOODPUT_LEAST,
    INT8,
    INT8_WITHIN,
    OVERLOAD,
    OVERLOAD_FACTOR,
    STREAM_LEAST,
    STREAMS,
    Cell,
)
from benchmarks.serving.records import BARE, Results, Round, Span, failures, ratios, span, values
from benchmarks.serving.servers import OURS


@dataclass(frozen=True)
class Verdict:
    """A target: the cell, what was wanted and what came in words, and whether it is met.

    `is_tie`: the ranges of the two that are compared overlap, so the rounds do not tell which is ahead.
    """

    cell: str
    words: str
    is_met: bool
    is_tie: bool = False


@dataclass(frozen=True)
class Best:
    """The peer with the highest median rate, and that rate."""

    name: str
    rate: Span


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict for each target of each cell that was measured."""
    found = [verdict for cell in CELLS for verdict in judge(cell, results.cells.get(cell.name, ()))]
    return [*found, *_int8(results), *_overload(results), *_streams(results)]


def judge(cell: Cell, rounds: Sequence[Round]) -> list[Verdict]:
    """Return the verdicts of a closed-loop cell."""
    share = ratios(rounds, OURS)
    if share is None:
        return []
    failed = failures(rounds, OURS)
    words = f"{share.median:.2f} of bare, at least {cell.least:.2f} wanted"
    found = [Verdict(cell.name, words + (f"; {failed} failed" if failed else ""), _is_at_least(share, cell, failed))]
    found += _against_best(cell, rounds)
    cpu = ratios(rounds, OURS, "cpu_ms")
    if cell.cpu is not None and cpu is not None:
        words = f"processor time a request {cpu.median:.2f} of bare, at most {cell.cpu:.2f} wanted"
        found.append(Verdict(cell.name, words, cpu.median <= cell.cpu))
    return found


def best_peer(rounds: Sequence[Round]) -> Best | None:
    """Return the peer with the highest median rate among those without failures, None where there is none."""
    names = {name for one in rounds for name in one} - {BARE, OURS}
    rates = {name: values(rounds, name, "rate") for name in names if not failures(rounds, name)}
    found = [Best(name, rate) for name, rate in rates.items() if rate is not None]
    return max(found, key=lambda best: best.rate.median, default=None)


def own_ratio(rounds: Sequence[Round], who: str) -> Span | None:
    """Return INT8's rate by fp32's of bare ONNX Runtime or of our server."""
    return ratios(rounds, f"{who}-int8", "rate", f"{who}-fp32")


def _is_at_least(share: Span, cell: Cell, failed: int) -> bool:
    return not failed and round(share.median, 2) >= cell.least


def _against_best(cell: Cell, rounds: Sequence[Round]) -> list[Verdict]:
    best = best_peer(rounds)
    ours = values(rounds, OURS, "rate")
    if cell.ahead is None or best is None or ours is None:
        return []
    times = ratios(rounds, OURS, "rate", best.name)
    assert times is not None  # both were measured
    wanted = f"at least {cell.ahead:.2f}" if cell.ahead > 1 else "more than 1"
    is_met = times.median >= cell.ahead if cell.ahead > 1 else times.median > 1
    words = f"{times.median:.2f} times the best peer ({best.name}), {wanted} wanted"
    return [Verdict(cell.name, words, is_met, ours.overlaps(best.rate))]


def _int8(results: Results) -> list[Verdict]:
    rounds = results.cells.get(INT8, ())
    bare, ours = own_ratio(rounds, BARE), own_ratio(rounds, OURS)
    if bare is None or ours is None:
        return []
    words = f"INT8 by fp32: {ours.median:.2f} served, {bare.median:.2f} bare, within {INT8_WITHIN:.0%} wanted"
    return [Verdict(INT8, words, abs(ours.median / bare.median - 1) <= INT8_WITHIN)]


def _overload(results: Results) -> list[Verdict]:
    ours = results.extras.get(OVERLOAD, {}).get(OURS)
    if ours is None:
        return []
    share = ours["goodput_share"]
    words = f"goodput {share:.2f} of capacity at {OVERLOAD_FACTOR:g} times the load, {GOODPUT_LEAST} wanted"
    return [Verdict(OVERLOAD, words, round(share, 2) >= GOODPUT_LEAST)]


def _streams(results: Results) -> list[Verdict]:
    counts = results.extras.get(STREAMS, {}).get("counts", {})
    return [_stream(count, found["rounds"]) for count, found in counts.items()]


def _stream(count: str, rounds: Sequence[dict[str, dict[str, float]]]) -> Verdict:
    share = span([one[OURS]["rate"] / one[BARE]["rate"] for one in rounds])
    words = f"{share.median:.2f} of a bare loop with {count} streams, {STREAM_LEAST} wanted"
    return Verdict(STREAMS, words, round(share.median, 2) >= STREAM_LEAST)
