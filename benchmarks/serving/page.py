"""The page of the figures, in Markdown, with the picture beside it: made from the results and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving.cells import CELLS, GENERATOR, INT8, MEMORY, OVERLOAD, STREAMS, Cell
from benchmarks.serving.chart import draw
from benchmarks.serving.records import BARE, Results, Round, Span, failures, ratios, span, values
from benchmarks.serving.servers import OURS, SERVERS
from benchmarks.serving.verdicts import own_ratio, verdicts
from benchmarks.serving.words import INTRODUCTION, OVERLOAD_WORDS, STREAM_WORDS

Row = Sequence[object]


def publish(results: Results, folder: Path) -> None:
    """Write serving.md and serving.svg into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serving.svg").write_text(draw(results), encoding="utf-8")
    (folder / "serving.md").write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """Return the page."""
    if not results.facts:
        return f"{INTRODUCTION}\n\nNothing was measured yet.\n"
    parts = [
        INTRODUCTION,
        _facts(results.facts),
        _targets(results),
        "![Share of bare ONNX Runtime by server and cell](serving.svg)",
        *(_cell(cell, results.cells[cell.name]) for cell in CELLS if cell.name in results.cells),
        *_extras(results),
        _peers(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a Markdown table; the first column is of words, the others of figures."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(str(one) for one in line) + " |" for line in lines)


def _facts(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items())
    rows = [
        ("date, commit", f"{facts.get('date')}, {facts.get('commit')}"),
        ("processor", f"{facts.get('processor')}, {facts.get('cores')} cores"),
        ("system", f"{facts.get('system')}, Python {facts.get('python')}"),
        ("versions", versions),
        ("sweep", f"{facts.get('rounds')} rounds of {facts.get('seconds')} s each"),
        ("the machine meanwhile", f"load before {facts.get('load_before', 0):.2f}, {_stolen(facts)}"),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "## Where\n\n" + "\n".join(lines)


def _stolen(facts: dict[str, Any]) -> str:
    stolen = facts.get("stolen_seconds")
    return "unfinished" if stolen is None else f"{stolen:.1f} processor seconds kept by the host"


def _targets(results: Results) -> str:
    found = verdicts(results)
    met = sum(verdict.is_met for verdict in found)
    rows = [
        (one.cell, one.words, ("met" if one.is_met else "**not met**") + (", a tie" if one.is_tie else ""))
        for one in found
    ]
    return f"## Targets: {met} of {len(found)} met\n\n" + table(("cell", "measured", ""), rows)


def _cell(cell: Cell, rounds: Sequence[Round]) -> str:
    names = [BARE, *(server.name for server in SERVERS)]
    found = [name for name in names if any(name in one for one in rounds)]
    found.sort(key=lambda name: -_known(values(rounds, name, "rate")).median)
    clients = f"{cell.clients} client{'s' if cell.clients > 1 else ''}"
    head = ("server", "requests/s", "of bare", "range", "processor ms", "of bare", "p50 ms", "p99 ms", "failed")
    return f"## {cell.package}, {cell.kind}, {clients}\n\n" + table(head, [_line(rounds, name) for name in found])


def _line(rounds: Sequence[Round], name: str) -> Row:
    share, cpu = _known(ratios(rounds, name)), _known(ratios(rounds, name, "cpu_ms"))
    rate, spent = _known(values(rounds, name, "rate")), _known(values(rounds, name, "cpu_ms"))
    figures = (f"{rate.median:,.0f}", f"{share.median:.2f}", _range(share), f"{spent.median:.3f}", f"{cpu.median:.2f}")
    if name == BARE:
        return ("bare ONNX Runtime", *figures, "", "", "")
    late = (f"{_known(values(rounds, name, figure)).median:.2f}" for figure in ("p50_ms", "p99_ms"))
    return (f"**{name}**" if name == OURS else name, *figures, *late, failures(rounds, name) or "")


def _known(found: Span | None) -> Span:
    return found or Span(0.0, 0.0, 0.0)


def _range(share: Span) -> str:
    return f"{share.low:.2f} to {share.high:.2f}"


def _extras(results: Results) -> list[str]:
    written = {OVERLOAD: _overload, STREAMS: _streams, MEMORY: _memory, GENERATOR: _generator}
    parts = [_int8(results.cells[INT8])] if INT8 in results.cells else []
    return parts + [write(results.extras[name]) for name, write in written.items() if name in results.extras]


def _int8(rounds: Sequence[Round]) -> str:
    rows = [
        (who, *(f"{_known(values(rounds, f'{who}-{kind}', 'rate')).median:,.1f}" for kind in ("fp32", "int8")), share)
        for who in (BARE, OURS)
        for share in (f"{_known(own_ratio(rounds, who)).median:.2f} ({_range(_known(own_ratio(rounds, who)))})",)
    ]
    head = ("", "fp32 a second", "INT8 a second", "INT8 by fp32")
    return "## INT8 against fp32: mobilenetv2, raw, 8 clients\n\n" + table(head, rows)


def _overload(measured: dict[str, dict[str, Any]]) -> str:
    head = ("server", "capacity/s", "goodput/s", "of capacity", "p50 ms", "p99 ms", "what became of the requests")
    rows = [(name, *_overload_figures(one), _ends(one)) for name, one in measured.items()]
    return f"{OVERLOAD_WORDS}\n\n" + table(head, rows)


def _overload_figures(one: dict[str, Any]) -> Row:
    rates = (f"{one['capacity']:.0f}", f"{one['goodput']:.0f}", f"{one['goodput_share']:.2f}")
    return (*rates, f"{one['p50_ms']:.0f}", f"{one['p99_ms']:.0f}")


def _ends(one: dict[str, Any]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(one["ends"].items()))


def _streams(measured: dict[str, Any]) -> str:
    head = ("streams", "frames/s", "of bare", "processor ms, of bare", "scored at 25 fps", "age p50 ms", "age p99 ms")
    rows = [_stream(count, one) for count, one in measured["counts"].items()]
    return f"{STREAM_WORDS} The clip: {measured['clip']}.\n\n" + table(head, rows)


def _stream(count: str, one: dict[str, Any]) -> Row:
    share = span([done[OURS]["rate"] / done[BARE]["rate"] for done in one["rounds"]])
    cpu = span([done[OURS]["cpu_ms"] / done[BARE]["cpu_ms"] for done in one["rounds"]])
    rate, paced = span([done[OURS]["rate"] for done in one["rounds"]]), one["paced"]
    fast = (f"{rate.median:.0f}", f"{share.median:.2f} ({_range(share)})", f"{cpu.median:.2f}")
    return (count, *fast, f"{paced['scored_share']:.1%}", f"{paced['age_p50_ms']:.1f}", f"{paced['age_p99_ms']:.1f}")


def _memory(measured: dict[str, Any]) -> str:
    rows = [(workers, f"{used:.0f}") for workers, used in measured["mb"].items()]
    added, model = measured["mb_a_worker"], measured["model_mb"]
    words = (
        f"PSS of all processes of {OURS} after scoring mobilenetv2 (a file of {model:.1f} MB): "
        f"one worker more takes {added:.0f} MB."
    )
    return f"## Memory\n\n{words}\n\n" + table(("workers", "MB"), rows)


def _generator(measured: dict[str, dict[str, float]]) -> str:
    rows = [(name, f"{one['rate']:,.0f}", f"{one['generator_us']:.1f}") for name, one in measured.items()]
    words = "wrk against a server that does nothing: what it could ask for, and its own processor time a request."
    return f"## The load generator\n\n{words}\n\n" + table(("payload, clients", "requests/s", "microseconds"), rows)


def _peers(results: Results) -> str:
    rows = [(name, version) for name, version in results.facts.get("peers", {}).items()]
    lines = ["## Servers", "How each is set up, and why so, stands in its server.py under benchmarks/serving/peers/."]
    lines += [table(("server", "version"), rows)] if rows else []
    if results.left_out:
        reasons = (f"- {name}: {reason}" for name, reason in sorted(results.left_out.items()))
        lines += ["Left out:", "\n".join(reasons)]
    return "\n\n".join(lines)
