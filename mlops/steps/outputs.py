"""Hand a run's version, digest, images, outcome, job and link to later jobs of a pipeline, as NAME=VALUE.

On GitHub they become outputs of the step, on Azure Pipelines output variables. With --stage-of it is the stage that a
branch stands for, by VISIONLINE_BRANCHES: branches (dev, qa, main; the default) or single (main is dev). With --touches
it is whether the pull request that is checked out changes anything below a folder: true or false, under its name.
"""

from __future__ import annotations

import argparse
import os

from mlops.branches import SETTING, stage_of
from mlops.ci import set_outputs
from mlops.config import REPOSITORY
from mlops.context import Context
from mlops.outputs import outputs_of, read_records
from mlops.records import Outcome
from mlops.touched import touches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to ask instead of a run."""
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--stage-of", metavar="BRANCH", help="the branch's stage, as qa or refs/heads/qa; reads no run")
    touched = "whether the checked-out commit changes a folder, as infra; reads no run"
    others.add_argument("--touches", metavar="FOLDER", help=touched)


def run(context: Context, options: argparse.Namespace) -> int:
    """Hand them on, and show each."""
    if options.touches is not None:
        values = {options.touches: str(touches(options.touches, REPOSITORY)).lower()}
    elif options.stage_of is not None:
        values = {"stage": stage_of(options.stage_of, os.environ.get(SETTING) or "branches")}
    else:
        values = outputs_of(read_records(context.run, context.stage.name))
    set_outputs(values, os.environ, context.report)
    return Outcome.PROMOTE
