"""Runs a module of the model's wing, of which this wing imports nothing, and tells its lines as they come."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from mlops.config import REPOSITORY
from mlops.errors import StepError


def module_command(module: str, *flags: str) -> list[str]:
    """Return the command that runs a module in this process's Python."""
    return [sys.executable, "-m", module, *flags]


def run_command(command: Sequence[str], report: Callable[[str], None], expected: Sequence[int] = (0,)) -> int:
    """Run a command and return its exit code. Raises StepError with its last line where that is not expected."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "PYTHONUNBUFFERED": "1"}
    last = "no message"
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            last = line.strip() or last
            report(line.rstrip("\n"))
    if process.returncode not in expected:
        raise StepError(f"{' '.join(command[1:3])} ended with exit code {process.returncode}: {last}")
    return process.returncode
