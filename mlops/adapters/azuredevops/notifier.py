"""Notifier on Azure DevOps: a status on the pull request, or on the commit, and a tag on the build.

The status is given to the iteration of the pull request that was trained, so that it says nothing of later pushes. One
that says the same is not given twice. The identity needs "Contribute to pull requests" or "Contribute" on the
repository and "Edit build quality" on the pipeline; as a managed identity it must be a user of the organization.

Sources: learn.microsoft.com/rest/api/azure/devops: Pull Request Statuses, Statuses, Pull Request Iterations, Tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mlops.adapters.azuredevops.login import NOT_TAKEN, open_api
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.ports import Notice, Secrets
from mlops.records import Origin
from mlops.rest import Refused, Rest, persistently

API = "api-version=7.1"
GENRE = "visionline"
STATES = {"promote": "succeeded", "reject": "failed", "error": "error"}
ADVICE = {
    302: NOT_TAKEN,  # to the page to sign in
    401: NOT_TAKEN,
    403: "the identity needs to contribute to the repository's pull requests, and to edit the build's quality",
    404: "the repository, the pull request or the build is not there, or the identity does not see it",
}


@dataclass(frozen=True)
class AzureDevOpsNotifier:
    """Reports to a project; `secret` names a token's secret, None takes SYSTEM_ACCESSTOKEN, else the own identity."""

    secret: str | None

    def report(self, notice: Notice, origin: Origin, secrets: Secrets) -> str | None:
        """Give the status and the tag, and return the build's page. Raises StepError where they are not taken."""
        if origin.host != "azure-devops":
            raise ConfigError(
                f"report: azure-devops, but the training was started from {origin.host}: change the stage file"
            )
        api = open_api(self.secret, origin, secrets)
        try:
            persistently(lambda: _give_status(api, notice, origin))
            persistently(lambda: _tag(api, notice, origin))
        except Refused as error:
            raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None
        return origin.link


def open_notifier(stage: Stage) -> AzureDevOpsNotifier:
    """Return the notifier of a stage that reports to Azure DevOps."""
    return AzureDevOpsNotifier(stage.report_secret)


def _give_status(api: Rest, notice: Notice, origin: Origin) -> None:
    repository = f"/git/repositories/{quote(origin.repository)}"
    pull = f"{repository}/pullRequests/{origin.pull_request}"
    iteration = _iteration(api, pull, origin.commit) if origin.pull_request else None
    place = f"{repository}/commits/{origin.commit}" if iteration is None else pull
    body = {
        "state": STATES[notice.outcome],
        "description": notice.title,
        "targetUrl": notice.link,
        "context": {"genre": GENRE, "name": notice.name},
        **({} if iteration is None else {"iterationId": iteration}),
    }
    given = [one for one in _values(api.request("GET", f"{place}/statuses?{API}")) if _is_of(one, body)]
    last = max(given, key=_number, default={})
    if any(last.get(key) != body[key] for key in ("state", "description", "targetUrl")):
        api.request("POST", f"{place}/statuses?{API}", body)


def _is_of(status: dict[str, Any], body: dict[str, Any]) -> bool:
    context = status.get("context") or {}
    same = {key: context.get(key) for key in ("genre", "name")} == body["context"]
    return same and status.get("iterationId") == body.get("iterationId")


def _iteration(api: Rest, pull: str, commit: str) -> int | None:
    """Return the iteration of a pull request whose last commit this is; None where it was pushed away since."""
    found = _values(api.request("GET", f"{pull}/iterations?{API}"))
    numbers = [_number(one) for one in found if (one.get("sourceRefCommit") or {}).get("commitId") == commit]
    return max(numbers, default=None)


def _tag(api: Rest, notice: Notice, origin: Origin) -> None:
    if origin.run:
        api.request("PUT", f"/build/builds/{quote(origin.run)}/tags/{quote(notice.tag)}?{API}")


def _number(entry: dict[str, Any]) -> int:
    id = entry.get("id")
    return id if isinstance(id, int) else 0


def _values(answer: Any) -> list[dict[str, Any]]:
    found = answer.get("value") if isinstance(answer, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
