"""Notifier on GitHub: a check run with the figures where the token is an app's, else a commit status with the verdict.

Only apps may write check runs; a fine-grained token may write statuses ("Commit statuses: write"). What is shown
already under the notice's key is changed, so sending it again adds nothing.

Sources: docs.github.com, "REST API endpoints for check runs", "... for commit statuses".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mlops.adapters.github.app import given, is_app, open_api
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.ports import Notice, Secrets
from mlops.records import Origin
from mlops.rest import Refused, Rest, field_of, persistently

NAME = "visionline"
CONCLUSIONS = {"promote": "success", "reject": "failure", "error": "failure"}
STATES = {"promote": "success", "reject": "failure", "error": "error"}
ADVICE = {
    401: "renew the token",
    403: "the token needs `Checks: write` (an app) or `Commit statuses: write` (a token) on this repository",
    404: "the repository or the commit is not there, or the token does not reach it",
}


@dataclass(frozen=True)
class GitHubNotifier:
    """Reports to a repository; `secret` names the token's or app's secret, None takes GITHUB_TOKEN."""

    secret: str | None

    def report(self, notice: Notice, origin: Origin, secrets: Secrets) -> str | None:
        """Show the notice on the origin's commit and return its page. Raises StepError where GitHub refuses."""
        if origin.host != "github":
            raise ConfigError(f"report: github, but the training was started from {origin.host}: change the stage file")
        secret = given(self.secret, secrets)
        send = _check if is_app(secret) else _status
        try:
            return persistently(lambda: send(open_api(secret, origin), notice, origin))
        except Refused as error:
            raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None


def open_notifier(stage: Stage) -> GitHubNotifier:
    """Return the notifier of a stage that reports to GitHub."""
    return GitHubNotifier(stage.report_secret)


def _check(api: Rest, notice: Notice, origin: Origin) -> str | None:
    """Make the check run of this key, or change it where it is there."""
    name = f"{NAME}/{notice.name}"
    body = {
        "name": name,
        "external_id": notice.key,
        "status": "completed",
        "conclusion": CONCLUSIONS[notice.outcome],
        "output": {"title": notice.title, "summary": notice.summary},
        **({"details_url": notice.link} if notice.link else {}),
    }
    runs, query = f"/repos/{origin.repository}/check-runs", f"check_name={quote(name, safe='')}"
    shown = api.request("GET", f"/repos/{origin.repository}/commits/{origin.commit}/check-runs?{query}&filter=all")
    same = next((one for one in _listed(shown, "check_runs") if one.get("external_id") == notice.key), None)
    if same:
        answer = api.request("PATCH", f"{runs}/{field_of(same, 'id')}", body)
    else:
        answer = api.request("POST", runs, {**body, "head_sha": origin.commit})
    return _page(answer, "html_url")


def _status(api: Rest, notice: Notice, origin: Origin) -> str | None:
    """Set the commit status of this name, unless the last one says the same."""
    body = {
        "context": f"{NAME}/{notice.name}",
        "state": STATES[notice.outcome],
        "description": notice.title,
        **({"target_url": notice.link} if notice.link else {}),
    }
    shown = api.request("GET", f"/repos/{origin.repository}/commits/{origin.commit}/statuses?per_page=100")
    last = next((one for one in _listed(shown, None) if one.get("context") == body["context"]), {})
    if {key: last.get(key) for key in body} != body:
        api.request("POST", f"/repos/{origin.repository}/statuses/{origin.commit}", body)
    return notice.link


def _listed(answer: Any, key: str | None) -> list[dict[str, Any]]:
    found = answer.get(key) if key and isinstance(answer, dict) else answer
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _page(answer: Any, key: str) -> str | None:
    found = answer.get(key) if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None
