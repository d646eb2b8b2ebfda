"""Carry the local platform's state from one CI machine to the next: find the newest, unpack it, pack it again.

--find says which run kept it, for the pipeline to fetch, and remembers it; --unpack puts it in place before the job's
steps; --pack writes it anew after them, and refuses where another run kept one in between, whose work would be lost.
Outside CI, and on any other platform, nobody needs this.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from mlops.branches import is_stages_own
from mlops.carrying import fetched_mark, note_found, pack, unpack
from mlops.ci import set_outputs, tag_build
from mlops.context import Context
from mlops.errors import BusyError, ConfigError
from mlops.kept import Kept
from mlops.origin import here
from mlops.records import Outcome

NAME = "home"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to do."""
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--find", action="store_true", help="hand on the run that kept the newest state")
    action.add_argument("--unpack", type=Path, metavar="FILE", help="put what was fetched in place")
    action.add_argument("--pack", type=Path, metavar="FILE", help="write the state for the pipeline to keep")


def run(context: Context, options: argparse.Namespace) -> int:
    """Find, unpack or pack."""
    home = context.stage.home
    if options.find:
        found = newest(context)
        note_found(home, found.mark if found else None)
        set_outputs(
            {"run": found.run, "pipeline": found.pipeline} if found else {"run": ""}, os.environ, context.report
        )
    elif options.unpack:
        unpack(options.unpack, home)
        context.report(f"{home}: holds the state that was kept")
    else:
        _pack(context, options.pack)
    return Outcome.PROMOTE


def newest(context: Context) -> Kept | None:
    """Return the newest state that a trusted run kept. Raises ConfigError outside CI, StepError where CI refuses."""
    origin = here()
    if origin is None:
        raise ConfigError("home: only a pipeline's machine is new each time: elsewhere the state stays where it is")
    return context.artifacts(origin.host).newest(NAME, origin, is_stages_own)


def _pack(context: Context, file: Path) -> None:
    began, now = fetched_mark(context.stage.home), newest(context)
    if (now.mark if now else None) != began:
        raise BusyError(f"{NAME}: run {now.run if now else '-'} kept another state meanwhile: run this job again")
    pack(context.stage.home, file)
    context.report(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    for tag in (NAME, time.strftime(f"{NAME}-%Y%m%d%H%M%S", time.gmtime())):
        tag_build(tag, os.environ, context.report)
