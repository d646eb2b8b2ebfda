"""What a job made, fetched from where its history says that it is: of a step that was reused, from an earlier job.

No path of ours is asked for: a step whose output settings are not those of the last time is never reused.

Source: learn.microsoft.com, "How to debug pipeline reuse issues" (reuse criteria).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import JobError, OutputMissing
from mlops.storage import place_folder

SDK_FOLDER = "named-outputs"
TRIES, PAUSE_SECONDS = 4, 1.0
REFUSALS = (400, 401, 403, 404)


def fetch_output(stage: Stage, job: str, output: str, target: Path) -> None:
    """Put one output of a job that ended at `target`, whole or not at all.

    Raises OutputMissing where the job made none, JobError where it can't be had.
    """
    for left in reversed(range(TRIES)):
        try:
            _fetch(stage, job, output, target)
            return
        except JobError as error:
            # The SDK asks where an output is by POST, which it does not say again of itself.
            if error.status in REFUSALS or not left:
                raise
            time.sleep(PAUSE_SECONDS)


def _fetch(stage: Stage, job: str, output: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch, explained(f"job {job}: output {output}", JobError):
        client_of(stage).jobs.download(job, download_path=scratch, output_name=output)
        made = Path(scratch) / SDK_FOLDER / output
        if not made.is_dir():
            again = f"`python -m mlops train --stage {stage.name} --job {job}` looks again"
            raise OutputMissing(f"job {job}: output {output}: is not there though the job completed: {again}")
        place_folder(made, target, lambda placed: None)
