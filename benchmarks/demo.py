"""Measures the demo against its targets: from nothing, then again with nothing changed. Run: make benchmark.

Targets are for two idle cores, the install left out; the first run fetches the data. Exit code 1 where one is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Target:
    """A figure of summary.json and what it should be."""

    run: str
    figure: str
    meets: Callable[[Any], bool]
    words: str


TARGETS = (
    Target("first", "wall_seconds", lambda value: value <= 180, "at most 180 s from nothing"),
    Target("again", "wall_seconds", lambda value: value <= 30, "at most 30 s when nothing changed"),
    Target("first", "accuracy_fp32", lambda value: value >= 0.91, "at least 0.91"),
    Target("first", "int8_loss", lambda value: value <= 0.005, "at most 0.005"),
    Target("first", "requests_failed", lambda value: value == 0, "0"),
    Target("again", "requests_failed", lambda value: value == 0, "0"),
)


def main() -> int:
    """Run the demo twice in a home of its own and print each target beside its figure."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {name: _demo(Path(folder), name) for name in ("first", "again")}
    met = [_show(target, figures[target.run]) for target in TARGETS]
    return 0 if all(met) else 1


def _demo(folder: Path, name: str) -> dict[str, Any]:
    places = {"VISIONLINE_HOME": str(folder / "home"), "VISIONLINE_RUNS": str(folder / "runs"), "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "mlops", "demo", "--run", name]
    subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **places}, check=True)
    summary = json.loads((folder / "runs" / name / "summary.json").read_text(encoding="utf-8"))
    return {**summary, "int8_loss": summary["accuracy_fp32"] - summary["accuracy_int8"]}


def _show(target: Target, figures: dict[str, Any]) -> bool:
    value = figures[target.figure]
    met = target.meets(value)
    print(f"{'met   ' if met else 'MISSED'}  {target.run:6} {target.figure:16} {value:10.4g}  target: {target.words}")
    return met


if __name__ == "__main__":
    sys.exit(main())
