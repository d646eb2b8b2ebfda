"""Tracker on GitHub: issues with a label, each naming its cause in a comment that nobody sees.

The label is what makes an issue ours: only who may write to the repository can give one, so nobody outside can have the
monitor mistake another issue for its own. The token needs `Issues: write`.

Source: docs.github.com, "REST API endpoints for issues".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from mlops.adapters.github.app import given, open_api
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.issues import MARK, Issue
from mlops.ports import Secrets
from mlops.records import Origin
from mlops.rest import Refused, Rest, field_of, persistently

T = TypeVar("T")
KEY = re.compile(r"<!-- (visionline/[a-z0-9._/-]+) -->")
PAGE = 100
MOST_PAGES = 20
ADVICE = {
    401: "renew the token",
    403: "the token needs `Issues: write` on this repository",
    404: "the repository is not there, or the token does not reach it",
    410: "the repository has no issues: turn them on, or set report to none",
}


@dataclass(frozen=True)
class GitHubTracker:
    """Issues of a repository; `secret` names the token's or app's secret, None takes GITHUB_TOKEN."""

    secret: str | None

    def opened(self, origin: Origin, secrets: Secrets) -> tuple[str, ...]:
        """Return the keys of the open issues that bear the label."""
        return self._ask(origin, secrets, lambda api: tuple(_open(api, origin)))

    def show(self, issue: Issue, origin: Origin, secrets: Secrets) -> str | None:
        """Open an issue for a cause, or change the one that is open, and return its page."""
        return self._ask(origin, secrets, lambda api: _show(api, issue, origin))

    def close(self, key: str, why: str, origin: Origin, secrets: Secrets) -> None:
        """Close the open issue of a cause, the reason on top of what it says."""
        self._ask(origin, secrets, lambda api: _close(api, key, why, origin))

    def _ask(self, origin: Origin, secrets: Secrets, work: Callable[[Rest], T]) -> T:
        if origin.host != "github":
            raise ConfigError(f"report: github, but this pipeline runs for {origin.host}: change the stage file")
        secret = given(self.secret, secrets)
        try:
            return persistently(lambda: work(open_api(secret, origin, "issues")))
        except Refused as error:
            raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None


def open_tracker(stage: Stage) -> GitHubTracker:
    """Return the tracker of a stage that reports to GitHub."""
    return GitHubTracker(stage.report_secret)


def _open(api: Rest, origin: Origin) -> dict[str, dict[str, Any]]:
    """Return the open issues that bear the label, by key; of two of a key the older one."""
    found: dict[str, dict[str, Any]] = {}
    for page in range(1, MOST_PAGES + 1):
        query = f"state=open&labels={MARK}&sort=created&direction=asc&per_page={PAGE}&page={page}"
        listed = api.request("GET", f"/repos/{origin.repository}/issues?{query}") or []
        for one in listed:
            key = KEY.search(one.get("body") or "")
            if key and "pull_request" not in one:
                found.setdefault(key[1], one)
        if len(listed) < PAGE:
            break
    return found


def _show(api: Rest, issue: Issue, origin: Origin) -> str | None:
    body = {"title": issue.title, "body": f"<!-- {issue.key} -->\n{issue.body}"}
    known, issues = _open(api, origin).get(issue.key), f"/repos/{origin.repository}/issues"
    if known is None:
        made = api.request("POST", issues, {**body, "labels": [MARK]})
        _expect_label(api, made, f"{issues}/{field_of(made, 'number')}")
        return _page(made)
    if any(known.get(name) != value for name, value in body.items()):
        api.request("PATCH", f"{issues}/{field_of(known, 'number')}", body)
    return _page(known)


def _expect_label(api: Rest, made: dict[str, Any], path: str) -> None:
    """Close an issue whose label GitHub has dropped, as it does where the token may not give one. Raises Refused."""
    if not any(label.get("name") == MARK for label in made.get("labels") or ()):
        api.request("PATCH", path, {"state": "closed", "state_reason": "not_planned"})
        raise Refused(f"the issue did not get the label {MARK}, and would not be found again", 403)


def _close(api: Rest, key: str, why: str, origin: Origin) -> None:
    known = _open(api, origin).get(key)
    if known is not None:
        # One request, so that no end of this process leaves it half done.
        closed = {"state": "closed", "state_reason": "completed", "body": f"{why}\n\n{known.get('body') or ''}"}
        api.request("PATCH", f"/repos/{origin.repository}/issues/{field_of(known, 'number')}", closed)


def _page(issue: dict[str, Any]) -> str | None:
    found = issue.get("html_url")
    return found if isinstance(found, str) else None
