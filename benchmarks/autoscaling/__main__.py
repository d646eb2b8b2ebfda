"""Simulates every rule on every trace and writes autoscaling.json, autoscaling.md and the pictures into a folder.

The start of the edge runtime is measured first, on this machine; --start takes a figure instead. --page simulates
nothing, and makes page and pictures anew.

Run: make benchmark-autoscaling, or python -m benchmarks.autoscaling --streams 1000 --sites 50 --out DIR
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.autoscaling.measured import Measured, measure_start, read_throughput
from benchmarks.autoscaling.page import publish
from benchmarks.autoscaling.results import find
from benchmarks.autoscaling.runs import WHOLE
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.servers import REPOSITORY

HOME = REPOSITORY / ".visionline" / "benchmarks"
SERVING = REPOSITORY / "docs" / "benchmarks" / "serving.json"


def main(arguments: Sequence[str]) -> int:
    """Write the files; return 1, with a line that says why, where that can't be."""
    options = _parser().parse_args(arguments)
    path: Path = options.out / "autoscaling.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8")) if options.page else _find(options)
    except (BenchmarkError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    publish(results, options.out)
    return 0


def _find(options: argparse.Namespace) -> dict[str, object]:
    throughput = read_throughput(SERVING)
    start = options.start if options.start is not None else measure_start(HOME)
    size = dataclasses.replace(WHOLE, streams=options.streams, sites=options.sites)
    return find(Measured(throughput, start), size)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.autoscaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=WHOLE.streams, help="cameras, of all sites")
    parser.add_argument("--sites", type=int, default=WHOLE.sites, help="each with a fleet of its own")
    parser.add_argument("--start", type=float, default=None, help="seconds that the runtime takes to start")
    parser.add_argument("--out", type=Path, default=HOME / "autoscaling", help="where results, page and pictures go")
    parser.add_argument("--page", action="store_true", help="simulate nothing, write page and pictures anew")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
