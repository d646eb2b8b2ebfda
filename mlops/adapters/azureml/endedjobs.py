"""The jobs of a workspace that a stage started and that have ended, and what they were given.

Source: learn.microsoft.com/rest/api/azureml, "Jobs - List", "Jobs - Get".
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from mlops.adapters.azureml.arm import Arm, workspace_path
from mlops.adapters.azureml.pipelinejob import TAG_STAGE, own_tags
from mlops.config import Stage
from mlops.ports import EndedJob

API = "2024-01-01-preview"
ENDED = ("Completed", "Failed", "Canceled", "NotResponding")


def ended_jobs(stage: Stage, arm: Arm, hours: float) -> list[EndedJob]:
    """Return the stage's jobs that were started in the last hours and have ended, the oldest first.

    Raises StepError where Azure does not say.
    """
    since = time.time() - 3600 * hours
    found = sorted((created, name) for created, name in _ended(stage, arm) if created >= since)
    # A list need not hold what a job was given.
    jobs = [(name, arm.get(f"{_jobs(stage)}/{name}", API)["properties"]) for _, name in found]
    return [EndedJob(name, inputs_of(job), job["status"] == "Completed") for name, job in jobs]


def inputs_of(job: Mapping[str, Any]) -> dict[str, str]:
    """Return the inputs of a job as text, by name: of a folder its address."""
    given = job.get("inputs") or {}
    return {name: str(one.get("value") or one.get("uri") or "") for name, one in given.items()}


def _ended(stage: Stage, arm: Arm) -> Iterator[tuple[float, str]]:
    """Yield when each job of the stage was made (seconds since the epoch) and its name; of those that have ended."""
    for one in arm.items(_jobs(stage), API, jobType="Pipeline", tag=TAG_STAGE, listViewType="ActiveOnly"):
        job = one["properties"]
        if job.get("status") in ENDED and own_tags(stage).items() <= (job.get("tags") or {}).items():
            yield datetime.fromisoformat(one["systemData"]["createdAt"]).timestamp(), one["name"]


def _jobs(stage: Stage) -> str:
    return f"{workspace_path(stage)}/jobs"
