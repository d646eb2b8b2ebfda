"""Show what each stage has approved and revoked, and what its endpoint serves now."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from mlops.config import load_stage
from mlops.context import Context
from mlops.errors import StepError
from mlops.names import APPROVED, REVOKED, STAGES
from mlops.records import Outcome, stage_tag


@dataclass(frozen=True)
class StageStatus:
    """One stage: its versions by tag, percent of traffic by version, and why the endpoint can't be asked, if so."""

    stage: str
    approved: tuple[int, ...]
    revoked: tuple[int, ...]
    traffic: dict[int, int]
    url: str | None
    problem: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to show it."""
    parser.add_argument("--json", action="store_true", help="for programs: one JSON list")


def run(context: Context, options: argparse.Namespace) -> int:
    """Show all stages, whichever was named."""
    stages = [status(Context(load_stage(name), context.run, context.report)) for name in STAGES]
    if options.json:
        context.report(json.dumps([asdict(one) for one in stages], indent=2))
    else:
        for line in table(stages):
            context.report(line)
    return Outcome.PROMOTE


def status(context: Context) -> StageStatus:
    """Return one stage's status. An endpoint that can't be asked is no error here: its problem is shown."""
    name = context.stage.name
    versions = context.registry.versions(context.stage.model)
    approved, revoked = (
        tuple(number for number, one in versions.items() if stage_tag(one, name) == tag) for tag in (APPROVED, REVOKED)
    )
    found = StageStatus(name, approved, revoked, {}, None)
    try:
        endpoint = context.target.status()
    except StepError as error:
        return replace(found, problem=str(error))
    return replace(found, traffic=endpoint.traffic, url=endpoint.url)


def table(stages: Sequence[StageStatus]) -> list[str]:
    """Return the lines of a table, columns aligned."""
    rows = [("STAGE", "APPROVED", "REVOKED", "TRAFFIC", "ENDPOINT"), *(_row(one) for one in stages)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(one: StageStatus) -> tuple[str, ...]:
    traffic = ", ".join(f"{version}: {percent} %" for version, percent in sorted(one.traffic.items()))
    return (
        one.stage,
        _numbers(one.approved),
        _numbers(one.revoked),
        traffic or "-",
        one.problem or one.url or "not running",
    )


def _numbers(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "-"
