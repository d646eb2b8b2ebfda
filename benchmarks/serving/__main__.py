"""Runs the sweep and writes serving.json, serving.md and serving.svg into a folder, after each cell.

A sweep that was ended before its time goes on with the cells that are missing; one that is complete begins anew.
With --only, just those cells are measured, again where they were, and the others stay as they are.

Run: make benchmark-serving, or python -m benchmarks.serving --only tiny-raw-8 --servers visionline,uvicorn
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving.cells import NAMES
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.packages import packages
from benchmarks.serving.page import publish
from benchmarks.serving.records import Results, read
from benchmarks.serving.rounds import Bench
from benchmarks.serving.servers import REPOSITORY, SERVERS
from benchmarks.serving.sweep import Sweep, run
from benchmarks.serving.verdicts import verdicts
from benchmarks.serving.wrk import find_wrk

HOME = REPOSITORY / ".visionline" / "benchmarks"
KNOWN = tuple(server.name for server in SERVERS)


def main(arguments: Sequence[str]) -> int:
    """Measure; return 1 where something is in the way, or with --check where a target is missed."""
    options = _parser().parse_args(arguments)
    try:
        results = _write_page(options.out) if options.page else _measure(options)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = verdicts(results)
    for verdict in found:
        print(f"{'met   ' if verdict.is_met else 'MISSED'}  {verdict.cell:20} {verdict.words}")
    return 1 if options.check and not all(verdict.is_met for verdict in found) else 0


def remaining(results: Results, only: Sequence[str]) -> tuple[str, ...]:
    """Return the cells to measure: those asked for, else those that are missing."""
    done = {*results.cells, *results.extras}
    return tuple(only) or tuple(name for name in NAMES if name not in done)


def _measure(options: argparse.Namespace) -> Results:
    results = read(options.out / "serving.json")
    if results.finished and not options.only:
        results = Results()
    bench = Bench(HOME, find_wrk(HOME), options.seconds, options.rounds, packages(HOME / "models"))
    servers = tuple(server for server in SERVERS if server.name in options.servers)
    names = remaining(results, options.only)
    run(Sweep(bench, servers, names, results, lambda: _save(results, options.out)))
    return results


def _save(results: Results, out: Path) -> None:
    results.write(out / "serving.json")
    publish(results, out)


def _write_page(out: Path) -> Results:
    results = read(out / "serving.json")
    publish(results, out)
    return results


def _names(known: Sequence[str], text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=lambda text: _names(NAMES, text), default=(), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--servers", type=lambda text: _names(KNOWN, text), default=KNOWN, help=", ".join(KNOWN))
    parser.add_argument("--rounds", type=int, default=4, help="of each cell; the page gives median and range")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--out", type=Path, default=HOME / "results", help="where results, page and picture go")
    parser.add_argument("--page", action="store_true", help="measure nothing, write page and picture anew")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
