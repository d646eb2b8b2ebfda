"""What pipelines of a GitHub repository kept for each other: the newest artifact of a name, of a run that is trusted.

A fork's pull request may upload an artifact under any name, so its run's repository and branch are looked at.

Source: docs.github.com, "REST API endpoints for GitHub Actions artifacts". The token needs `actions: read`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from mlops.adapters.github.app import open_api
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.kept import Kept
from mlops.records import Origin
from mlops.rest import persistently


class GitHubArtifacts:
    """Reads the artifacts of the repository that a pipeline runs for."""

    def newest(self, name: str, origin: Origin, is_trusted: Callable[[str], bool]) -> Kept | None:
        """Return the newest one of a trusted branch or of this very run. Raises StepError where GitHub refuses."""
        token = os.environ.get("GITHUB_TOKEN")
        if not token:
            raise ConfigError("no token for GitHub: set GITHUB_TOKEN, with the permission `actions: read`")
        api, path = open_api(token, origin), f"/repos/{origin.repository}/actions/artifacts?name={name}&per_page=100"
        found = persistently(lambda: api.request("GET", path)) or {}
        usable = [one for one in found.get("artifacts") or () if _is_usable(one, origin.run, is_trusted)]
        newest = max(usable, key=lambda one: (str(one["created_at"]), int(one["id"])), default=None)
        return Kept(str(newest["workflow_run"]["id"]), "", str(newest["id"])) if newest else None


def open_artifacts(stage: Stage) -> GitHubArtifacts:
    """Return what knows GitHub's artifacts."""
    return GitHubArtifacts()


def _is_usable(artifact: dict[str, Any], run: str, is_trusted: Callable[[str], bool]) -> bool:
    made_by = artifact.get("workflow_run") or {}
    if artifact.get("expired") or made_by.get("head_repository_id") != made_by.get("repository_id"):
        return False
    return str(made_by.get("id")) == run or is_trusted(str(made_by.get("head_branch")))
