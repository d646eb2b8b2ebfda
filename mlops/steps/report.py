"""Write a run's report.html and summary.json, point runs/latest at the run, and show the figures."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mlops.context import Context, runs_folder
from mlops.errors import ConfigError
from mlops.loading import write_json, write_text
from mlops.records import Outcome

PAGE, SUMMARY, LATEST = "report.html", "summary.json", "latest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This step needs nothing but its run."""


def run(context: Context, options: argparse.Namespace) -> int:
    """Report, and show the summary."""
    for line in report(context):
        context.report(line)
    return Outcome.PROMOTE


def report(context: Context) -> list[str]:
    """Write the report of the context's run and return its summary's lines, the last of which names the page.

    Raises ConfigError where the run holds nothing, or a file of it can't be read; then nothing is written.
    """
    # Imported here: every command imports every step, and only this one draws.
    from mlops.report.collect import collect
    from mlops.report.page import render_page
    from mlops.report.summary import lines, summarise
    from mlops.report.view import view

    folder = context.run.resolve()
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such run: give --run one of the folders beside it")
    found = collect(folder)
    if found.is_empty:
        raise ConfigError(f"{folder}: holds no record: name a run with --run, one of the folders in {runs_folder()}")
    page, summary = render_page(view(found, context.stage.release.variant)), summarise(found)
    write_json(folder / SUMMARY, summary)
    write_text(folder / PAGE, page)
    point_at(runs_folder() / LATEST, folder)
    return lines(summary, folder / PAGE)


def point_at(link: Path, folder: Path) -> None:
    """Make a symbolic link lead to a folder; at every moment it leads to the old one or to the new one.

    Raises ConfigError where something that is no link stands in its place.
    """
    if link.exists() and not link.is_symlink():
        raise ConfigError(f"{link}: is no link, so it can't point at {folder.name}: move it away")
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
    temporary.replace(link)
