"""Get the data set's raw files, each checked, and publish them as a data version."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlops.config import DataSource
from mlops.context import Context
from mlops.records import DataRecord, Outcome, write_record
from mlops.running import module_command, run_command


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
    run_command(fetch_command(source, downloads), context.report)
    record = context.data.publish(source.name, downloads)
    write_record(context.run, "data", record)
    return record


def fetch_command(source: DataSource, out: Path) -> list[str]:
    """Return the command that gets a data set from where the stage file says."""
    flags = ["--out", str(out), "--debian" if source.debian else "--no-debian"]
    flags += ["--folder", source.folder] if source.folder else []
    flags += ["--url", source.url] if source.url else []
    return module_command("vision.fetch", *flags)
