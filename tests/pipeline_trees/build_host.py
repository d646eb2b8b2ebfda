"""Azure DevOps as a server on loopback, with the builds of its pipelines: their tags, branches and artifacts.

Source: learn.microsoft.com/rest/api/azure/devops/build: Builds - List, Artifacts - List, Tags - Add Build Tag.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from code_hosts import Call, Reply
from comment_hosts import AzureDevOpsPulls
from issue_hosts import AzureDevOpsItems

PROJECT = "/org/edge cameras/_apis"


class AzureOfRuns(AzureDevOpsItems, AzureDevOpsPulls):
    """The code host, with what runs kept: folders below `artifacts`, by run and name, and the builds' tags."""

    def __init__(self, artifacts: Path) -> None:
        super().__init__()
        self.artifacts = artifacts
        self.branches: dict[str, str] = {}
        self.build_tags: dict[str, set[str]] = {}
        self.routes = [
            ("GET", rf"{PROJECT}/build/builds", self.list_builds),
            ("GET", rf"{PROJECT}/build/builds/(?P<run>\d+)/artifacts", self.list_artifacts),
            ("PUT", rf"{PROJECT}/build/builds/(?P<run>\d+)/tags/(?P<tag>[\w.-]+)", self.tag_build),
            *self.routes,
        ]

    def list_builds(self, call: Call) -> Reply:
        """Answer the builds that bear a tag."""
        wanted = call.query["tagFilters"]
        return self._page([self._build(run) for run, tags in self.build_tags.items() if wanted in tags])

    def list_artifacts(self, call: Call, run: str) -> Reply:
        """Answer the artifacts of a build."""
        return self._page([{"name": path.name} for path in (self.artifacts / run).glob("*")])

    def tag_build(self, call: Call, run: str, tag: str) -> Reply:
        """Add a tag to a build."""
        self.build_tags.setdefault(run, set()).add(tag)
        return self._page(sorted(self.build_tags[run]))

    def _build(self, run: str) -> dict[str, Any]:
        branch = self.branches[run]
        head = "refs/tags/" if "/" in branch else "refs/heads/"
        told = {"id": int(run), "sourceBranch": head + branch, "tags": sorted(self.build_tags[run])}
        return {**told, "definition": {"id": 1}}
