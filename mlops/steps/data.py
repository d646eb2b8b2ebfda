"""Get the data set's raw files, each checked, and publish them as a data version; or images of them, to score a batch.

With --images it publishes what vision.images makes of the raw files, under the data set's name and `-images`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mlops.config import DataSource
from mlops.context import Context
from mlops.records import DataRecord, Outcome, write_record
from mlops.running import module_command, run_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to publish. The stage's file says where the data comes from."""
    parser.add_argument("--images", action="store_true", help="image files to score, in place of the raw files")


def run(context: Context, options: argparse.Namespace) -> int:
    """Publish the data and name its version."""
    record = publish_images(context) if options.images else publish(context)
    context.report(f"data: {record.name} version {record.version}")
    return Outcome.PROMOTE


def publish(context: Context) -> DataRecord:
    """Fetch, publish and record the stage's data set. Raises StepError where it can't be had."""
    return _published(context, context.stage.data.name, _fetched(context))


def publish_images(context: Context) -> DataRecord:
    """Fetch the stage's data set; publish and record images of it. Raises StepError where there are none.

    ConfigError where the stage's target scores no files: nothing is uploaded that nothing can score.
    """
    _ = context.scorer
    raw = _fetched(context)
    with tempfile.TemporaryDirectory() as scratch:
        run_command(module_command("vision.images", "--raw", str(raw), "--out", scratch), context.report)
        return _published(context, f"{context.stage.data.name}-images", Path(scratch))


def fetch_command(source: DataSource, out: Path) -> list[str]:
    """Return the command that gets a data set from where the stage file says."""
    flags = ["--out", str(out), "--debian" if source.debian else "--no-debian"]
    flags += ["--folder", source.folder] if source.folder else []
    flags += ["--url", source.url] if source.url else []
    return module_command("vision.fetch", *flags)


def _fetched(context: Context) -> Path:
    source = context.stage.data
    downloads = context.stage.home / "downloads" / source.name
    run_command(fetch_command(source, downloads), context.report)
    return downloads


def _published(context: Context, name: str, folder: Path) -> DataRecord:
    record = context.data.publish(name, folder)
    write_record(context.run, "data", record)
    return record
