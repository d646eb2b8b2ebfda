"""The command line: STEP --stage STAGE, one verb a step. Exit codes: 0 promote or done, 2 reject, 1 error, 3 defect.

The step modules are light: an SDK is imported inside its adapter, when a step first uses it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

from mlops.config import load_stage
from mlops.context import Context, new_run_id, runs_folder
from mlops.errors import StepError
from mlops.names import STAGES

STEPS = (
    "data",
    "train",
    "intake",
    "schedule",
    "champion",
    "gate",
    "register",
    "promote",
    "package",
    "deploy",
    "verify",
    "score",
    "rollback",
    "status",
    "monitor",
    "bootstrap",
    "home",
    "outputs",
    "approval",
    "preflight",
    "lint",
    "fill",
    "cost",
    "expire",
    "notify",
    "report",
    "demo",
)
DEFECT = 3


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] | None = None) -> int:
    """Run one step and return its exit code. `say` takes each line of progress (default: print it)."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as ended:
        return int(bool(ended.code))  # argparse says 2 of a mistyped flag, and 2 is the verdict reject
    try:
        return _run(options, say or _print)
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: run the same command again to go on", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception:
        traceback.print_exc()
        print("defect: this is a fault of the program: report it with the lines above", file=sys.stderr)
        return DEFECT


def parser() -> argparse.ArgumentParser:
    """Return the parser of all steps."""
    root = argparse.ArgumentParser(prog="python -m mlops", description="What happens to a model, one step at a time.")
    steps = root.add_subparsers(metavar="STEP", required=True)
    for name in STEPS:
        _add_step(steps, name, import_module(f"mlops.steps.{name}"))
    return root


def _add_step(steps: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: ModuleType) -> None:
    summary = (module.__doc__ or "").splitlines()[0]
    step = steps.add_parser(name, help=summary, description=module.__doc__)
    needs_stage = getattr(module, "NEEDS_STAGE", True)
    if needs_stage:
        step.add_argument("--stage", default="dev", metavar="|".join(STAGES), help="default: dev")
        records = "folder under runs/ that holds the records (default: a new one)"
        step.add_argument("--run", metavar="RUN_ID", help=records)
    module.add_arguments(step)
    step.set_defaults(step=module.run, needs_stage=needs_stage)


def _run(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    if not options.needs_stage:
        return int(options.step(say, options))
    context = Context(load_stage(options.stage), runs_folder() / (options.run or new_run_id()), say)
    return int(options.step(context, options))


def _print(line: str) -> None:
    print(line, flush=True)
