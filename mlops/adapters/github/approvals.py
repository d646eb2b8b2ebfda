"""Who must agree on GitHub: the protection rules of a repository's environment, read with the workflow's token.

Source: docs.github.com, "REST API endpoints for deployment environments". The token needs `actions: read`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

from mlops.adapters.github.app import open_api
from mlops.config import Stage
from mlops.ports import CheckLine
from mlops.preflight import approvals
from mlops.records import Origin
from mlops.rest import Refused, persistently

REVIEWERS = "required_reviewers"


class GitHubApprovals:
    """Reads environments of the repository that a pipeline runs for."""

    def lines(self, environment: str, origin: Origin) -> Iterator[CheckLine]:
        """Yield what guards an environment. Raises StepError where GitHub does not say."""
        token = os.environ.get("GITHUB_TOKEN")
        if not token:
            yield from approvals.unknown(environment, "set GITHUB_TOKEN, with the permission `actions: read`")
            return
        api, path = open_api(token, origin), f"/repos/{origin.repository}/environments/{quote(environment)}"
        try:
            found = persistently(lambda: api.request("GET", path)) or {}
            guards = {str(rule.get("type")) for rule in found.get("protection_rules") or ()}
        except Refused as error:
            if error.status != 404:
                raise
            guards = None
        yield from approvals.lines(environment, f"GitHub, {origin.repository}", guards, REVIEWERS)


def open_approvals(stage: Stage) -> GitHubApprovals:
    """Return what knows GitHub's environments."""
    return GitHubApprovals()
