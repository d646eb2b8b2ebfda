"""Fuzzes each target in a process of its own, and saves the input of whatever is found.

Run: PYTHONPATH=tests python -m fuzz.run [--runs 1000000] [--only NAME] [--engine atheris|hypothesis|chance]
The runs are shared among the targets of fuzz.targets. It prints a line a target and exits with 1 after a finding: an
exception that is no refusal, a refusal that is not one line, an input that takes seconds, or memory that stays taken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from fuzz.engines import ENGINES, INSTRUMENTED, best_engine
from fuzz.trial import Finding, Target, Trial

MILLION = 1_000_000


def run_all(options: argparse.Namespace) -> int:
    """Fuzz every target, each in a process of its own; return the exit code."""
    engine = options.engine or best_engine()
    if engine != (options.engine or "atheris"):
        print("atheris is not installed (it has no build for every Python): hypothesis makes the inputs", flush=True)
    command = [sys.executable, "-m", "fuzz.run", "--engine", engine, "--module", options.module]
    failed = []
    for target in _targets(options.module):
        runs = max(1, options.runs * target.share // 100)
        flags = ["--only", target.name, "--runs", str(runs), "--folder", str(options.folder)]
        if code := _child([*command, *flags], options.folder / f"{target.name}.log"):
            failed.append(target.name)
            print(f"{target.name}: ended with {code}; its log is {options.folder}/{target.name}.log", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def _child(command: list[str], log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stderr:
        return subprocess.run(command, stderr=stderr).returncode


def run_one(options: argparse.Namespace) -> int:
    """Fuzz one target in this process, which atheris may end; return the exit code."""
    engine = options.engine or best_engine()
    with _instrumented(engine):
        targets = {target.name: target for target in _targets(options.module)}
    trial = Trial(targets[options.only], options.runs, options.folder)
    try:
        ENGINES[engine](trial)
        trial.check_memory()
    except Finding as finding:
        traceback.print_exc()
        print(f"found: {finding}", flush=True)
        return 1
    print(trial.summary(), flush=True)
    return 0


def _targets(module: str) -> tuple[Target, ...]:
    return import_module(module).TARGETS


def _instrumented(engine: str) -> AbstractContextManager[Any]:
    """Return a context in which what is imported tells atheris where an input leads."""
    if engine != "atheris":
        return nullcontext()
    import atheris

    return atheris.instrument_imports(include=INSTRUMENTED)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=MILLION, help="inputs of all targets together, or of the only one")
    parser.add_argument("--only", metavar="NAME", help="one target, in this process")
    parser.add_argument("--engine", choices=ENGINES, help="who makes the inputs; without it, the best one there is")
    parser.add_argument("--module", default="fuzz.targets", help="the module whose TARGETS are fuzzed")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="where the inputs that fail are saved")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    sys.exit(run_one(given) if given.only else run_all(given))
