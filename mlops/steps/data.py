"""Get the data set's raw files, each checked, and publish them as a data version."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mlops.config import REPOSITORY, DataSource
from mlops.context import Context
from mlops.errors import StepError
from mlops.records import DataRecord, Outcome, write_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This step needs nothing but its stage, whose file says where the data comes from."""


def run(context: Context, options: argparse.Namespace) -> int:
    """Publish the data and name its version."""
    record = publish(context)
    context.report(f"data: {record.name} version {record.version}")
    return Outcome.PROMOTE


def publish(context: Context) -> DataRecord:
    """Fetch, publish and record the stage's data set. Raises StepError where it can't be had."""
    source = context.stage.data
    downloads = context.stage.home / "downloads" / source.name
    _run(fetch_command(source, downloads), context.report)
    record = context.data.publish(source.name, downloads)
    write_record(context.run, "data", record)
    return record


def fetch_command(source: DataSource, out: Path) -> list[str]:
    """Return the command that gets a data set from where the stage file says."""
    flags = ["--out", str(out), "--debian" if source.debian else "--no-debian"]
    flags += ["--folder", source.folder] if source.folder else []
    flags += ["--url", source.url] if source.url else []
    return [sys.executable, "-m", "vision.fetch", *flags]


def _run(command: list[str], report: Callable[[str], None]) -> None:
    """Run a command, telling its lines as they come. Raises StepError with the last one where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "PYTHONUNBUFFERED": "1"}
    last = "no message"
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            last = line.strip() or last
            report(last)
    if process.returncode:
        raise StepError(f"{' '.join(command[1:3])} ended with exit code {process.returncode}: {last}")
