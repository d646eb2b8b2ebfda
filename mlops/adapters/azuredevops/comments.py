"""Comments on an Azure Repos pull request: a thread of one comment, closed, so that it holds nobody up.

The token is the pipeline's own, whose identity, the project's build service, needs "Contribute to pull requests" on the
repository. Azure DevOps lets only the author change a comment, so only our own are looked at.

Sources: learn.microsoft.com/rest/api/azure/devops: Pull Request Threads - List, Create; Pull Request Thread Comments -
Update; the organization's connectionData, which says who the token is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from mlops.adapters.azuredevops.login import NOT_TAKEN
from mlops.comments import mark_of, marked
from mlops.errors import ConfigError
from mlops.records import Origin
from mlops.rest import Refused, Rest, field_of, persistently

API = "api-version=7.1"
WHO = "/_apis/connectionData?api-version=7.1-preview.1"
TEXT, CLOSED = 1, 4  # a comment's type, a thread's status
ADVICE = {
    302: NOT_TAKEN,
    401: NOT_TAKEN,
    403: 'the build service needs "Contribute to pull requests" on the repository',
    404: "the pull request is not there, or the build service does not see it",
}


class AzureDevOpsComments:
    """Writes on the pull request that a pipeline runs for."""

    def show(self, key: str, text: str, origin: Origin) -> str | None:
        """Write the comment, or change the one that is there; return the pull request's page. Raises StepError."""
        token = os.environ.get("SYSTEM_ACCESSTOKEN")
        if not token:
            raise ConfigError("no token for Azure DevOps: map System.AccessToken to SYSTEM_ACCESSTOKEN in the pipeline")
        if not origin.pull_request:
            raise ConfigError("this run is of no pull request: nothing to comment on")
        api = Rest(origin.api.rstrip("/"), {"Authorization": f"Bearer {token}"}, token)
        try:
            return persistently(lambda: _show(api, key, text, origin))
        except Refused as error:
            raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None


def open_comments() -> AzureDevOpsComments:
    """Return what writes on pull requests in Azure Repos."""
    return AzureDevOpsComments()


def _show(api: Rest, key: str, text: str, origin: Origin) -> str:
    project, repository = f"/{quote(origin.project)}", quote(origin.repository)
    threads = f"{project}/_apis/git/repositories/{repository}/pullRequests/{origin.pull_request}/threads"
    content = marked(key, text, origin.link)
    me = field_of(field_of(api.request("GET", WHO), "authenticatedUser"), "id")
    known = next(_ours(api.request("GET", f"{threads}?{API}"), key, me), None)
    if known is None:
        comment = {"parentCommentId": 0, "content": content, "commentType": TEXT}
        api.request("POST", f"{threads}?{API}", {"comments": [comment], "status": CLOSED})
    elif known[1].get("content") != content:
        path = f"{threads}/{known[0]}/comments/{field_of(known[1], 'id')}?{API}"
        api.request("PATCH", path, {"content": content, "commentType": TEXT})
    return f"{api.url}{project}/_git/{repository}/pullrequest/{origin.pull_request}"


def _ours(answer: Any, key: str, me: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each thread's number with its comment of a key, the oldest first."""
    threads = [one for one in (answer or {}).get("value") or () if not one.get("isDeleted")]
    for thread in sorted(threads, key=lambda one: int(field_of(one, "id"))):
        for comment in (thread.get("comments") or ())[:1]:
            is_own = (comment.get("author") or {}).get("id") == me and not comment.get("isDeleted")
            if is_own and str(comment.get("content") or "").startswith(mark_of(key)):
                yield int(field_of(thread, "id")), comment
