"""Leave the version that a stage serves: revoke its tag, then deploy the highest version still approved.

With --drill nothing is changed: it says which version would be revoked and which would serve, and looks whether that
one's package and images are there and intact and the target answers. The exit code is 1 where the rollback would fail.
"""

from __future__ import annotations

import argparse
import time

from mlops.context import Context
from mlops.drill import DrillRecord, lines
from mlops.errors import RegistryError
from mlops.loading import read_json
from mlops.names import REVOKED, revoke_reason_tag, rollback_tag, stage_record
from mlops.preflight.line import failed
from mlops.records import ModelVersion, Outcome, RollbackRecord, highest_approved, record_path, write_record
from mlops.rollout import reconcile

PENDING, DONE = "pending", "done"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a rollback needs to be told."""
    parser.add_argument("--reason", required=True, help="why: it is kept in the version's tags and in the record")
    parser.add_argument("--version", type=int, help="the version to leave (default: the one that is to be served)")
    parser.add_argument("--drill", action="store_true", help="change nothing: look whether the rollback would work")


def run(context: Context, options: argparse.Namespace) -> int:
    """Roll back and say which version serves now; or, in a drill, which would."""
    if options.drill:
        return _run_drill(context, options.version)
    record = rollback(context, options.reason, options.version)
    context.report(f"{record.stage}: version {record.revoked} is revoked, version {record.served} serves")
    return Outcome.PROMOTE


def rollback(context: Context, reason: str, version: int | None = None) -> RollbackRecord:
    """Revoke a version in the stage and serve the one before. A run that has rolled back already returns its record.

    Raises RegistryError, having changed nothing, where no other version is approved.
    """
    name = stage_record("rollback", context.stage.name)
    if record_path(context.run, name).exists():
        return read_json(RollbackRecord, record_path(context.run, name))
    with context.target.lock():
        record = _roll_back(context, reason, version)
        write_record(context.run, name, record)
        # Done only now: whoever is killed before runs again into the same pending version, never into the next one.
        context.registry.set_tag(context.stage.model, record.revoked, rollback_tag(context.stage.name), DONE)
    return record


def rehearse(context: Context, version: int | None = None) -> DrillRecord:
    """Return, and record, whether a rollback would work now. Raises RegistryError as `rollback` does."""
    stage, started = context.stage, time.time()
    leaving, served = _plan(context, version)
    found = []
    for line in lines(context, leaving, served):
        found.append(line)
        context.report(f"{line.state:<8}  {line.check:<8}  {line.text}")
    record = DrillRecord(stage.name, leaving, served.version, tuple(found), not failed(found), time.time() - started)
    write_record(context.run, stage_record("drill", stage.name), record)
    return record


def _run_drill(context: Context, version: int | None) -> int:
    record = rehearse(context, version)
    would = f"version {record.revoked} would be revoked, version {record.served} would serve: nothing was changed"
    context.report(f"{record.stage}: {'the rollback would work' if record.works else 'it would FAIL'}: {would}")
    return Outcome.PROMOTE if record.works else Outcome.ERROR


def _plan(context: Context, version: int | None) -> tuple[int, ModelVersion]:
    """Return which version to leave, and the one that serves then. Raises RegistryError where there is none."""
    stage = context.stage
    versions = context.registry.versions(stage.model)
    leaving = _version_to_leave(versions, stage.name, version)
    served = highest_approved({number: one for number, one in versions.items() if number != leaving}, stage.name)
    if served is None:
        raise RegistryError(
            f"{stage.name}: no approved version to return to from version {leaving}: nothing was changed"
        )
    return leaving, served


def _roll_back(context: Context, reason: str, version: int | None) -> RollbackRecord:
    stage, started = context.stage, time.time()
    leaving, _ = _plan(context, version)
    _revoke(context, leaving, reason)
    served = reconcile(context)
    if served.verdict.outcome != "promote" or served.version is None:
        raise RegistryError(f"{stage.name}: version {leaving} is revoked, but the next failed: {served.verdict.reason}")
    return RollbackRecord(stage.name, leaving, served.version, reason, time.time() - started)


def _version_to_leave(versions: dict[int, ModelVersion], stage: str, version: int | None) -> int:
    approved = highest_approved(versions, stage)
    serving = approved.version if approved else 0
    # A rollback that was killed: its version is revoked already, and nothing newer was approved since.
    pending = [number for number, one in versions.items() if one.tags.get(rollback_tag(stage)) == PENDING]
    leaving = version or max([serving, *pending]) or None
    if leaving is None:
        raise RegistryError(f"{stage}: no version is approved: there is nothing to roll back")
    if leaving not in versions or stage not in versions[leaving].tags:
        raise RegistryError(f"{stage}: version {leaving} was never in this stage: see `python -m mlops status`")
    return leaving


def _revoke(context: Context, version: int, reason: str) -> None:
    stage, model = context.stage.name, context.stage.model
    context.registry.set_tag(model, version, rollback_tag(stage), PENDING)
    context.registry.set_tag(model, version, revoke_reason_tag(stage), reason)
    context.registry.set_tag(model, version, stage, REVOKED)
    context.report(f"{stage}: version {version} is revoked: {reason}")
