"""What Azure ML remembers of a job while it goes on and afterwards: its steps, why one failed, its logs.

Source: learn.microsoft.com/rest/api/azureml, "Run History" (runs/{id}/children, runs/{id}/details); the logs' names:
azure-ai-ml, constants/_job/job.py; a failure that names its log: github.com/Azure/azureml-examples/issues/2614.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops.adapters.azureml.arm import workspace_path
from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.sending import answered, sent
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import StepError
from mlops.hiding import hidden

if TYPE_CHECKING:
    from azure.core import PipelineClient

SCOPE = "https://management.azure.com/.default"
# What the step itself wrote: std_log.txt, or a file a process as std_log_process_01.txt.
LOG = re.compile(r"user_logs/std_log(?:_[a-z_]*(\d+))?(?:_ps)?\.txt")
REUSED = "azureml.isreused"


@dataclass(frozen=True)
class Child:
    """A step of a job: the name that the job file gives it, its run, its status, and when it began and ended."""

    name: str
    run: str
    status: str
    started: str | None
    ended: str | None


@dataclass(frozen=True)
class Failure:
    """Why a step failed: what Azure says, and what its processes wrote, by rank.

    Azure names the log of the process whose failure it saw first; where it names none, the lines of all are here.
    `unread` says why a log of these could not be read; empty where each could.
    """

    reason: str
    lines: dict[int, list[str]]
    is_distributed: bool
    unread: str


@dataclass(frozen=True)
class History:
    """The run history of the stage's workspace. Each call raises StepError where Azure does not answer well."""

    stage: Stage

    def children(self, job: str) -> list[Child]:
        """Return the steps that a job has begun or plans."""
        found = self._get(f"{self._runs}/{job}/children")["value"]
        return [_child(one) for one in found]

    def reason(self, run: str) -> str:
        """Return what Azure says of why a run failed; empty where it says nothing."""
        return _reason(self._details(run))

    def lines(self, run: str) -> list[str]:
        """Return the lines that a step wrote so far, of its first process; nothing where it wrote nothing."""
        logs = _processes(self._logs(run))
        return _lines(logs[min(logs)]) if logs else []

    def failure(self, run: str) -> Failure:
        """Return why a step failed; a log that can't be read does not keep the rest from being told."""
        details = self._details(run)
        logs, said = _processes(details.get("logFiles") or {}), _reason(details)
        named = [rank for name in LOG.finditer(said) if (rank := int(name[1] or 0)) in logs]
        told = named[:1] or sorted(logs)
        lines, unread = {}, ""
        for rank in told:
            try:
                lines[rank] = _lines(logs[rank])
            except StepError as error:
                unread = str(error)
        return Failure(said, lines, len(logs) > 1, unread)

    def lines_of(self, run: str, log: str) -> list[str]:
        """Return the lines of one log of a run; nothing where it did not write that."""
        logs = self._logs(run)
        return _lines(logs[log]) if log in logs else []

    def _logs(self, run: str) -> dict[str, str]:
        return dict(self._details(run).get("logFiles") or {})

    def _details(self, run: str) -> dict[str, Any]:
        return self._get(f"{self._runs}/{run}/details")

    @cached_property
    def _runs(self) -> str:
        with explained("workspace"):
            workspace = client_of(self.stage).workspaces.get(self.stage.azureml.workspace)
        host = urlsplit(str(workspace.discovery_url)).netloc
        return f"https://{host}/history/v1.0{workspace_path(self.stage)}/runs"

    @cached_property
    def _client(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        bearer = BearerTokenCredentialPolicy(credential(), SCOPE)
        return PipelineClient(SCOPE, policies=[RetryPolicy(retry_total=4), bearer])

    def _get(self, url: str) -> dict[str, Any]:
        with explained("the job's history"):
            return dict(answered(self._client, "GET", url) or {})


def _child(run: dict[str, Any]) -> Child:
    is_reused = (run.get("properties") or {}).get(REUSED) == "true"
    status = "Reused" if is_reused else str(run.get("status"))
    return Child(
        run.get("displayName") or run["runId"], run["runId"], status, run.get("startTimeUtc"), run.get("endTimeUtc")
    )


def _reason(details: dict[str, Any]) -> str:
    error = (details.get("error") or {}).get("error") or {}
    return " ".join(hidden(str(error.get("message") or "")).split())


def _processes(logs: dict[str, str]) -> dict[int, str]:
    """Return the addresses of a step's own logs, by the rank of the process that wrote it."""
    found = {LOG.fullmatch(name): url for name, url in logs.items()}
    return {int(name[1] or 0): url for name, url in found.items() if name}


def _lines(url: str) -> list[str]:
    with explained("a step's log"):
        text = sent(_anonymous(), "GET", url).content.decode(errors="replace")
    return [hidden(line.rstrip()) for line in text.splitlines() if line.strip()]


def _anonymous() -> PipelineClient[Any, Any]:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import RetryPolicy

    return PipelineClient(SCOPE, policies=[RetryPolicy(retry_total=4)])  # a signed address: our token is not for it
