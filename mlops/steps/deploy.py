"""Make a stage's endpoint serve the stage's highest approved version: a reconcile, safe to kill and to repeat."""

from __future__ import annotations

import argparse

from mlops.context import Context
from mlops.names import stage_record
from mlops.records import DeployRecord, Outcome, write_record
from mlops.rollout import reconcile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This step needs nothing but its stage."""


def run(context: Context, options: argparse.Namespace) -> int:
    """Deploy, and exit by the verdict on the version that was to be served."""
    record = deploy(context)
    context.report(f"{record.stage}: {record.outcome}, serving version {record.version}: {record.verdict.reason}")
    return Outcome[record.verdict.outcome.upper()]


def deploy(context: Context) -> DeployRecord:
    """Reconcile the stage's endpoint under its lock and record it. Raises BusyError where another release holds it."""
    with context.target.lock():
        record = reconcile(context)
    write_record(context.run, stage_record("deploy", context.stage.name), record)
    return record
