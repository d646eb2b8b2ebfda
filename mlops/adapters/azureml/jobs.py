"""JobRunner on Azure ML: submits a job file with the stage's overrides, follows it, and fetches what steps read of it.

The wait survives throttling, an hour of outage and a token that runs out. Whoever stops the wait stops the job.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.adapters.azureml.arm import Arm, workspace_path
from mlops.adapters.azureml.endedjobs import ENDED, ended_jobs, inputs_of
from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.following import Follower
from mlops.adapters.azureml.history import Child, History
from mlops.adapters.azureml.jobcancel import Job, cancelled_with_us
from mlops.adapters.azureml.joboutputs import fetch_output
from mlops.adapters.azureml.pipelinejob import TAG_STAGE, own_tags, pipeline_job, snapshots
from mlops.adapters.azureml.uploads import over_leftovers
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import JobError, JobFailed, StepError
from mlops.ports import EndedJob, JobResult, Say, Submitted
from mlops.records import JobStep

if TYPE_CHECKING:
    from azure.ai.ml.entities import PipelineJob

__all__ = ["AzureJobRunner", "open_job_runner", "pipeline_job"]

T = TypeVar("T")
API = "2024-01-01-preview"
GOOD = ("Completed", "Reused")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 20.0
OUTAGE_SECONDS = 3600.0
REFUSALS = (400, 401, 403, 404)  # asked again, the answer would be the same
FETCHED = ("registration", "evaluation")  # of a job's outputs, what steps read; the rest stays where it is


@dataclass(frozen=True)
class AzureJobRunner:
    """Runs jobs in the stage's workspace."""

    stage: Stage
    arm: Arm = field(default_factory=Arm)

    def run(self, job_file: Path, inputs: Mapping[str, str], report: Say, named: Say | None = None) -> JobResult:
        """Run a job to its end, a line to `report` for each change; its name to `named` before it is submitted.

        Raises ConfigError, before anything is sent, where file or inputs are wrong; JobFailed where a step fails, or
        where somebody cancels the job; JobError where its end can't be had. A signal that ends the wait cancels it.
        """
        name = _new_name(job_file)
        with cancelled_with_us(self._job(name), report):
            if named:
                named(name)
            report(f"job {name}: {self._submit(job_file, inputs, name).link}")
            return self._result(name, report)

    def submit(self, job_file: Path, inputs: Mapping[str, str]) -> Submitted:
        """Start a job and leave it. Raises ConfigError and JobError as `run` does."""
        name = _new_name(job_file)
        with cancelled_with_us(self._job(name), lambda line: None):
            return self._submit(job_file, inputs, name)

    def result(self, job: str, report: Say) -> JobResult:
        """Wait for a job of this stage that was submitted, as `run` does; to stop this wait leaves the job alone."""
        return self._result(job, report)

    def ended(self, hours: float) -> list[EndedJob]:
        """Return this stage's jobs of the last hours that have ended, the oldest first. Raises JobError."""
        with explained("jobs", JobError):
            return ended_jobs(self.stage, self.arm, hours)

    def output(self, job: str, name: str) -> Path:
        """Return the folder of an output of a job that ended, fetched. Raises JobError, OutputMissing where none is."""
        return self._fetch(job, name)

    def _submit(self, job_file: Path, inputs: Mapping[str, str], name: str) -> Submitted:
        job = pipeline_job(self.stage, job_file, inputs)
        job.name = name
        with explained(f"job {name}", JobError):
            for step, node in job.jobs.items():
                node.display_name = step  # by which its history calls it
            with snapshots(job):
                known = self._started(job)
        return Submitted(name, known.studio_url or "see Azure ML studio")

    def _result(self, name: str, report: Say) -> JobResult:
        follower = Follower(History(self.stage), name, report)
        job, children = self._ended(follower)
        if job["status"] != "Completed":
            raise _failure(job, children, follower)
        outputs = {output: str(value.get("uri", "")) for output, value in (job.get("outputs") or {}).items()}
        fetched = {output: str(self._fetch(name, output)) for output in FETCHED if output in outputs}
        steps = {child.name: _step(child) for child in children}
        return JobResult(name, steps, {**outputs, **fetched}, inputs_of(job))

    def _ended(self, follower: Follower) -> tuple[dict[str, Any], list[Child]]:
        pause = FIRST_PAUSE_SECONDS
        while True:
            job = self._patiently(follower, lambda: self._look(follower.job))
            self._expect_own(follower.job, job)
            children = self._patiently(follower, follower.look)
            if job["status"] in ENDED:
                return job, children
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)

    def _patiently(self, follower: Follower, ask: Callable[[], T]) -> T:
        """Ask until there is an answer. Raises JobError where there is none for an hour, or will never be one."""
        pause, asked = FIRST_PAUSE_SECONDS, time.monotonic()
        while True:
            try:
                return ask()
            except StepError as error:
                if error.status in REFUSALS or time.monotonic() - asked > OUTAGE_SECONDS:
                    again = f"`python -m mlops train --stage {self.stage.name} --job {follower.job}` waits on"
                    failure = JobError(f"job {follower.job}: {error}: {again}")
                    failure.status = error.status
                    raise failure from None
                follower.report(f"job {follower.job}: asked in vain, asking again: {error}")
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)

    def _look(self, name: str) -> dict[str, Any]:
        return dict(self.arm.get(f"{workspace_path(self.stage)}/jobs/{name}", API)["properties"])

    def _expect_own(self, name: str, job: Mapping[str, Any]) -> None:
        """Raise JobError where a job is not one that this stage started: its verdict would be taken for ours."""
        ours, theirs = own_tags(self.stage), job.get("tags") or {}
        for tag, own in ours.items():
            if theirs.get(tag) != own:
                whose = f"{tag} {theirs[tag]}'s" if theirs.get(tag) else f"no {tag}'s"
                right = "the --stage that started it" if tag == TAG_STAGE else "a job of this stage file's model"
                raise JobError(f"job {name}: is {whose}, not {own}'s: name {right}")

    def _fetch(self, name: str, output: str) -> Path:
        target = self.stage.home / "jobs" / name / output
        fetch_output(self.stage, name, output, target)
        return target

    def _started(self, job: PipelineJob) -> Any:
        """Return the job once it is submitted; where the answer was lost on its way, the one that is there."""
        from azure.core.exceptions import AzureError

        jobs = client_of(self.stage).jobs
        try:
            return over_leftovers(lambda: jobs.create_or_update(job))
        except AzureError:
            try:
                return jobs.get(str(job.name))  # the name is ours alone
            except AzureError:
                pass
            raise

    def _job(self, name: str) -> Job:
        return Job(name, f"{workspace_path(self.stage)}/jobs/{name}", API)


def open_job_runner(stage: Stage) -> AzureJobRunner:
    """Return the job runner of the stage's workspace."""
    return AzureJobRunner(stage)


def _new_name(job_file: Path) -> str:
    # Ours, so that a job whose submission was interrupted can be cancelled too.
    return f"{job_file.stem}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def _failure(job: Mapping[str, Any], children: list[Child], follower: Follower) -> JobFailed:
    name, link = follower.job, _studio(job)
    if job["status"] == "Canceled":
        return JobFailed(f"job {name}: was cancelled: see {link}")
    failed = next((child for child in children if child.status == "Failed"), None)
    if failed is None:
        return JobFailed(f"job {name}: {follower.why_whole() or job['status'].lower()}: see {link}")
    why = follower.why(failed)
    again = "mend it and run the step again"
    return JobFailed(f"job {name}: step {failed.name} failed: {why}: see {link}, {again}")


def _step(child: Child) -> JobStep:
    status = child.status.lower() if child.status in GOOD else "failed"
    return JobStep(status, _seconds(child.started, child.ended), child.run)


def _seconds(started: str | None, ended: str | None) -> float:
    if not started or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()


def _studio(job: Mapping[str, Any]) -> str:
    return str(((job.get("services") or {}).get("Studio") or {}).get("endpoint") or "Azure ML studio")
