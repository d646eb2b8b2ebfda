"""What pipelines of an Azure DevOps project kept for each other: the newest build that says so by its tags.

Artifacts have no time of their own there; a build that keeps something is tagged with its name, and name and time.

Source: learn.microsoft.com/rest/api/azure/devops/build: Builds - List, Artifacts - List.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.kept import Kept
from mlops.records import Origin
from mlops.rest import Rest, persistently

API = "api-version=7.1"
HEADS = ("refs/heads/", "refs/tags/")


class AzureDevOpsArtifacts:
    """Reads the builds of the project that a pipeline runs in."""

    def newest(self, name: str, origin: Origin, is_trusted: Callable[[str], bool]) -> Kept | None:
        """Return the newest one of a trusted branch or of this very build. Raises StepError where it is refused."""
        token = os.environ.get("SYSTEM_ACCESSTOKEN")
        if not token:
            raise ConfigError("no token for Azure DevOps: map System.AccessToken to SYSTEM_ACCESSTOKEN in the pipeline")
        url = f"{origin.api.rstrip('/')}/{quote(origin.project)}/_apis/build"
        api = Rest(url, {"Authorization": f"Bearer {token}"}, token)
        path = f"/builds?tagFilters={name}&queryOrder=queueTimeDescending&$top=200&{API}"
        builds = (persistently(lambda: api.request("GET", path)) or {}).get("value") or ()
        marked = [(_mark(one, name), one) for one in builds if _is_usable(one, origin.run, is_trusted)]
        for mark, build in sorted(marked, key=lambda pair: pair[0], reverse=True):
            if _holds(api, build, name):
                return Kept(str(build["id"]), str(build["definition"]["id"]), f"{build['id']}.{mark}")
        return None


def open_artifacts(stage: Stage) -> AzureDevOpsArtifacts:
    """Return what knows Azure DevOps' builds."""
    return AzureDevOpsArtifacts()


def _is_usable(build: dict[str, Any], run: str, is_trusted: Callable[[str], bool]) -> bool:
    branch = str(build.get("sourceBranch"))
    head = next((branch.removeprefix(start) for start in HEADS if branch.startswith(start)), None)
    return str(build.get("id")) == run or (head is not None and is_trusted(head))


def _mark(build: dict[str, Any], name: str) -> str:
    return max((str(tag) for tag in build.get("tags") or () if str(tag).startswith(f"{name}-")), default="")


def _holds(api: Rest, build: dict[str, Any], name: str) -> bool:
    # A build is tagged before its artifact is there, and an old one's may be gone.
    found = persistently(lambda: api.request("GET", f"/builds/{build['id']}/artifacts?{API}")) or {}
    return any(one.get("name") == name for one in found.get("value") or ())
