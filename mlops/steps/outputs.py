"""Hand a run's version, digest, images, outcome, job and link to later jobs of a pipeline, as NAME=VALUE.

On GitHub they become outputs of the step, on Azure Pipelines output variables. With --stage-of it is the stage that a
branch stands for, by VISIONLINE_BRANCHES: branches (dev, qa, main; the default) or single (main is dev).
"""

from __future__ import annotations

import argparse
import os

from mlops.branches import SETTING, stage_of
from mlops.ci import set_outputs
from mlops.context import Context
from mlops.outputs import outputs_of, read_records
from mlops.records import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to ask instead of a run."""
    parser.add_argument("--stage-of", metavar="BRANCH", help="the branch's stage, as qa or refs/heads/qa; reads no run")


def run(context: Context, options: argparse.Namespace) -> int:
    """Hand them on, and show each."""
    if options.stage_of is None:
        values = outputs_of(read_records(context.run, context.stage.name))
    else:
        values = {"stage": stage_of(options.stage_of, os.environ.get(SETTING) or "branches")}
    set_outputs(values, os.environ, context.report)
    return Outcome.PROMOTE
