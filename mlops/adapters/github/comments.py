"""Comments on a GitHub pull request, by the workflow's token, which needs `pull-requests: write`.

Anybody may write a comment that begins with our line, and could change it later. So only a bot's is taken for ours:
what GITHUB_TOKEN writes is by github-actions[bot], and a stranger is none.

Source: docs.github.com, "REST API endpoints for issue comments", which are a pull request's, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mlops.adapters.github.app import open_api
from mlops.comments import mark_of, marked
from mlops.errors import ConfigError
from mlops.records import Origin
from mlops.rest import Refused, Rest, field_of, persistently

PAGE = 100
MOST_PAGES = 30
ADVICE = {
    401: "the token is not taken: is it the workflow's GITHUB_TOKEN?",
    403: "the job needs the permission `pull-requests: write`",
    404: "the pull request is not there, or the token does not reach it",
}


class GitHubComments:
    """Writes on the pull request that a workflow runs for."""

    def show(self, key: str, text: str, origin: Origin) -> str | None:
        """Write the comment, or change the one that is there; return its page. Raises StepError."""
        token = os.environ.get("GITHUB_TOKEN")
        if not token:
            raise ConfigError("no token for GitHub: set GITHUB_TOKEN, with the permission `pull-requests: write`")
        if not origin.pull_request:
            raise ConfigError("this run is of no pull request: nothing to comment on")
        api = open_api(token, origin)
        try:
            return persistently(lambda: _show(api, key, text, origin))
        except Refused as error:
            raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None


def open_comments() -> GitHubComments:
    """Return what writes on GitHub's pull requests."""
    return GitHubComments()


def _show(api: Rest, key: str, text: str, origin: Origin) -> str | None:
    issues, body = f"/repos/{origin.repository}/issues", marked(key, text, origin.link)
    ours = (one for one in _listed(api, f"{issues}/{origin.pull_request}/comments") if _is_ours(one, key))
    known = next(ours, None)
    if known is None:
        made = api.request("POST", f"{issues}/{origin.pull_request}/comments", {"body": body})
        return str(field_of(made, "html_url"))
    if known.get("body") != body:
        api.request("PATCH", f"{issues}/comments/{field_of(known, 'id')}", {"body": body})
    return str(field_of(known, "html_url"))


def _listed(api: Rest, path: str) -> Iterator[dict[str, Any]]:
    """Yield the comments, the oldest first."""
    for page in range(1, MOST_PAGES + 1):
        listed = api.request("GET", f"{path}?per_page={PAGE}&page={page}") or []
        yield from listed
        if len(listed) < PAGE:
            break


def _is_ours(comment: dict[str, Any], key: str) -> bool:
    is_bot = (comment.get("user") or {}).get("type") == "Bot"
    return is_bot and str(comment.get("body") or "").startswith(mark_of(key))
