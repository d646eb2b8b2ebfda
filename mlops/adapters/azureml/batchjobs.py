"""Jobs of a batch endpoint: started by one call of our own, waited for, their rows read, or the reason of their end.

The SDK's invoke() sends a deployment's name to every endpoint that it meets afterwards, so it is not used.

Sources: learn.microsoft.com, "Create jobs and input data for batch endpoints" (REST) and "Troubleshoot batch
endpoints" (logs/user/error.txt: what went wrong in the script).
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops.adapters.azureml.arm import Arm, workspace_path
from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.defaultstore import default_address, default_blob
from mlops.adapters.azureml.failures import SECRETS, explained
from mlops.adapters.azureml.onlineauth import DEPLOYMENT_HEADER
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import JobError, StepError, TargetError

if TYPE_CHECKING:
    from azure.core import PipelineClient

SCOPE = "https://ml.azure.com/.default"
API = "2024-01-01-preview"
ENDED = ("Completed", "Failed", "Canceled")
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
    arm: Arm = Arm()

    @property
    def path(self) -> str:
        """Return its ARM id."""
        return f"{workspace_path(self.stage)}/jobs/{self.name}"

    def rows(self) -> bytes:
        """Return what the job wrote, a row a line. Raises TargetError where it can't be read."""
        with explained(f"{self.name}: its output", TargetError):
            return default_blob(self.stage, self.output).download_blob().readall()

    def wait(self) -> None:
        """Return when the job completed.

        Raises JobError with what its script said where that failed, TargetError where anything else did, or where the
        job does not end within DEADLINE_SECONDS. Whoever stops the wait stops the job.
        """
        try:
            status, studio = self._ended()
        except BaseException:
            self._cancel()
            raise
        if status == "Completed":
            return
        said = self._script_error() if status == "Failed" else None
        if said:
            raise JobError(f"job {self.name}: its script failed: {said}: see {studio}")
        why = self._reason() if status == "Failed" else "somebody stopped it"
        raise TargetError(f"job {self.name} is {status}: {why}: no version is to blame: see {studio}")

    def _ended(self) -> tuple[str, str]:
        deadline, pause = time.monotonic() + DEADLINE_SECONDS, 0.1
        while True:
            found = self.arm.get(self.path, API)["properties"]
            status, studio = str(found["status"]), _studio(found)
            if status in ENDED:
                return status, studio
            if time.monotonic() > deadline:
                hours = f"{DEADLINE_SECONDS / 3600:g} hours"
                raise TargetError(f"job {self.name} is {status} after {hours}, so it was cancelled: see {studio}")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _cancel(self) -> None:
        try:
            self.arm.post(f"{self.path}/cancel", API)
        except StepError:
            pass  # what ended the wait is what is told

    def _script_error(self) -> str | None:
        """Return the last line of what Azure ML gathered of the script's errors, None where it gathered nothing."""
        history, client = self._history(), _client()
        with explained(f"{self.name}: its logs", TargetError):
            for child in _json(client, f"{history}/{self.name}/children").get("value", []):
                logs = _json(client, f"{history}/{child['runId']}/details").get("logFiles", {})
                if SCRIPT_LOG in logs:
                    return _last_line(_read(logs[SCRIPT_LOG]))
        return None

    def _reason(self) -> str:
        with explained(f"{self.name}: its details", TargetError):
            error = _json(_client(), f"{self._history()}/{self.name}/details").get("error") or {}
        return _line(str((error.get("error") or {}).get("message") or "Azure does not say why"))

    def _history(self) -> str:
        with explained("workspace", TargetError):
            workspace = client_of(self.stage).workspaces.get(self.stage.azureml.workspace)
        host = urlsplit(str(workspace.discovery_url)).netloc
        return f"https://{host}/history/v1.0{workspace_path(self.stage)}/runs"


def start(stage: Stage, scoring_uri: str, endpoint: str, deployment: str, data: str) -> BatchJob:
    """Start a job of one deployment on a data asset's files, by its ARM id. Raises TargetError where Azure refuses."""
    with explained(f"{endpoint}: job", TargetError):
        output = f"visionline/batch/{endpoint}/{uuid.uuid4()}/predictions.jsonl"
        body = {
            "properties": {
                "InputData": {"files": {"JobInputType": "UriFolder", "Uri": data}},
                "OutputData": {"score": {"JobOutputType": "UriFile", "Uri": default_address(stage, output)}},
            }
        }
        answer = _call(_client(), "POST", scoring_uri, body, {DEPLOYMENT_HEADER: deployment})
    return BatchJob(stage, str(answer.json()["id"]).rpartition("/")[2], output)


def _client() -> PipelineClient[Any, Any]:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

    # A call that may have been heard is not said again: it would start a second job.
    retries = RetryPolicy(retry_total=4, retry_read=0, method_whitelist=["GET"])
    return PipelineClient("https://ml.azure.com", policies=[retries, BearerTokenCredentialPolicy(credential(), SCOPE)])


def _call(
    client: PipelineClient[Any, Any], method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> Any:
    from azure.core.exceptions import map_error
    from azure.core.rest import HttpRequest

    response = client.send_request(HttpRequest(method, url, json=body, headers=headers))
    if response.status_code >= 400:
        map_error(response.status_code, response, {})
    response.raise_for_status()
    return response


def _json(client: PipelineClient[Any, Any], url: str) -> dict[str, Any]:
    return dict(_call(client, "GET", url).json() or {})


def _read(url: str) -> str:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import RetryPolicy

    # A signed address: our token is not for its host.
    response = _call(PipelineClient(url, policies=[RetryPolicy(retry_total=4)]), "GET", url)
    return bytes(response.content).decode(errors="replace")


def _studio(job: dict[str, Any]) -> str:
    return str(((job.get("services") or {}).get("Studio") or {}).get("endpoint") or "Azure ML studio")


def _last_line(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    return _line(lines[-1]) if lines else None


def _line(text: str) -> str:
    return " ".join(SECRETS.sub("[hidden]", text).split())[:LONGEST_LINE].rstrip(".: ")
