"""Hand a run's version, digest, images, outcome, job and link to later jobs of a pipeline, as NAME=VALUE.

On GitHub they become outputs of the step, on Azure Pipelines output variables. With --touches it is whether the pull
request that is checked out changes anything below a folder: true or false, under its name.
"""

from __future__ import annotations

import argparse
import os

from mlops.ci import set_outputs
from mlops.config import REPOSITORY
from mlops.context import Context
from mlops.outputs import outputs_of, read_records
from mlops.records import Outcome
from mlops.touched import touches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to ask instead of a run."""
    touched = "whether the checked-out commit changes a folder, as infra; reads no run"
    parser.add_argument("--touches", metavar="FOLDER", help=touched)


def run(context: Context, options: argparse.Namespace) -> int:
    """Hand them on, and show each."""
    if options.touches is not None:
        values = {options.touches: str(touches(options.touches, REPOSITORY)).lower()}
    else:
        values = outputs_of(read_records(context.run, context.stage.name))
    set_outputs(values, os.environ, context.report)
    return Outcome.PROMOTE
