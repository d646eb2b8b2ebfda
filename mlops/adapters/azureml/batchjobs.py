"""Jobs of a batch endpoint: started by one call of our own, waited for, their rows read, or the reason of their end.

The SDK's invoke() sends a deployment's name to every endpoint that it meets afterwards, so it is not used.

Sources: learn.microsoft.com, "Create jobs and input data for batch endpoints" (REST) and "Troubleshoot batch
endpoints" (logs/user/error.txt: what went wrong in the script).
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from mlops.adapters.azureml.arm import Arm, workspace_path
from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.defaultstore import default_address, default_blob
from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.history import History
from mlops.adapters.azureml.jobcancel import Job, cancel, cancelled_with_us
from mlops.adapters.azureml.jobs import API, ENDED, OUTAGE_SECONDS, REFUSALS
from mlops.adapters.azureml.onlineauth import DEPLOYMENT_HEADER
from mlops.adapters.azureml.sending import answered
from mlops.config import Stage
from mlops.errors import JobError, StepError, TargetError

SCOPE = "https://ml.azure.com/.default"
DEADLINE_SECONDS = 6 * 3600.0
LONGEST_PAUSE_SECONDS = 10.0
SCRIPT_LOG = "logs/user/error.txt"
LONGEST_LINE = 400


@dataclass(frozen=True)
class BatchJob:
    """A job that was started: its name, and the blob of the default datastore that gets its rows."""

    stage: Stage
    name: str
    output: str
    arm: Arm = field(default_factory=Arm)

    def rows(self) -> bytes:
        """Return what the job wrote, a row a line. Raises TargetError where it can't be read."""
        with explained(f"{self.name}: its output", TargetError):
            return default_blob(self.stage, self.output).download_blob().readall()

    def wait(self) -> None:
        """Return when the job completed. The wait survives an hour in which Azure does not answer.

        Raises JobError with what its script said where that failed, TargetError where anything else did, or where the
        job does not end within DEADLINE_SECONDS. Whoever stops the wait stops the job, by a signal too.
        """
        cancellable = Job(self.name, self._path, API)
        with cancelled_with_us(cancellable, _unheard):
            try:
                job = self._ended()
            except StepError:
                cancel(cancellable)
                raise
        if job["status"] != "Completed":
            raise self._failure(str(job["status"]), _studio(job))

    @property
    def _path(self) -> str:
        return f"{workspace_path(self.stage)}/jobs/{self.name}"

    def _ended(self) -> dict[str, Any]:
        pause, started = 0.1, time.monotonic()
        answered = started
        while True:
            try:
                job = dict(self.arm.get(self._path, API)["properties"])
                answered = time.monotonic()
                if job["status"] in ENDED:
                    return job
            except StepError as error:
                if error.status in REFUSALS or time.monotonic() - answered > OUTAGE_SECONDS:
                    raise TargetError(f"job {self.name}: {error}") from None
            if time.monotonic() - started > DEADLINE_SECONDS:
                raise TargetError(f"job {self.name} did not end in {DEADLINE_SECONDS / 3600:g} hours: it is cancelled")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _failure(self, status: str, studio: str) -> StepError:
        if status != "Failed":
            return TargetError(f"job {self.name} is {status}: somebody stopped it: see {studio}")
        history = History(self.stage)
        try:
            for step in history.children(self.name):
                said = history.lines_of(step.run, SCRIPT_LOG)
                if said:
                    return JobError(f"job {self.name}: its script failed: {said[-1][:LONGEST_LINE]}: see {studio}")
            why = history.reason(self.name)[:LONGEST_LINE].rstrip(".: ") or "Azure does not say why"
        except StepError as error:
            return TargetError(f"job {self.name} is {status}, and why can't be read: {error}: see {studio}")
        return TargetError(f"job {self.name} is {status}: {why}: no version is to blame: see {studio}")


def start(stage: Stage, scoring_uri: str, endpoint: str, deployment: str, data: str) -> BatchJob:
    """Start a job of one deployment on a data asset's files, by its ARM id. Raises TargetError where Azure refuses."""
    output = f"visionline/batch/{endpoint}/{uuid.uuid4()}/predictions.jsonl"
    with explained(f"{endpoint}: job", TargetError):
        body = {
            "properties": {
                "InputData": {"files": {"JobInputType": "UriFolder", "Uri": data}},
                "OutputData": {"score": {"JobOutputType": "UriFile", "Uri": default_address(stage, output)}},
            }
        }
        answer = _post(scoring_uri, body, {DEPLOYMENT_HEADER: deployment})
    return BatchJob(stage, str(answer["id"]).rpartition("/")[2], output)


def _post(url: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

    # A call that may have been heard is not said again, for it would start a second job; one that was refused is.
    retries = RetryPolicy(retry_total=4, retry_read=0, method_whitelist=["GET"])
    bearer = BearerTokenCredentialPolicy(credential(), SCOPE)
    client: PipelineClient[Any, Any] = PipelineClient(url, policies=[retries, bearer])
    return answered(client, "POST", url, body, headers)


def _unheard(line: str) -> None:
    """Say nothing: a scorer is given nobody to tell it to."""


def _studio(job: dict[str, Any]) -> str:
    return str(((job.get("services") or {}).get("Studio") or {}).get("endpoint") or "Azure ML studio")
