"""Fetch the version that a stage serves, its champion, which a new model is compared with.

The training job asks this itself, before it evaluates: a job that a schedule starts meets the champion of its own day,
not of the day that the schedule was published on. It judges nothing, and a stage without a champion is no error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mlops.context import Context
from mlops.records import ChampionRecord, Outcome, highest_approved, write_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where it goes."""
    goes = "folder for package/ and champion.json (default: champion/ in the run's)"
    parser.add_argument("--out", type=Path, help=goes)


def run(context: Context, options: argparse.Namespace) -> int:
    """Fetch it, and say which it is."""
    record = fetch(context, options.out or context.run / "champion")
    served = f"version {record.version}" if record.version else "none: nothing is approved"
    context.report(f"{record.model}: champion of {context.stage.name}: {served}")
    return Outcome.PROMOTE


def fetch(context: Context, out: Path) -> ChampionRecord:
    """Put the package of the stage's highest approved version at `out`/package, checked, and record which it is.

    Raises RegistryError where the registry can't be asked or the package is damaged.
    """
    model = context.stage.model
    champion = highest_approved(context.registry.versions(model), context.stage.name)
    if champion is None:
        record = ChampionRecord(model, None, None)
    else:
        context.registry.download(model, champion.version, out / "package")
        record = ChampionRecord(model, champion.version, champion.digest)
    out.mkdir(parents=True, exist_ok=True)
    write_record(out, "champion", record)
    return record
