"""A stage whose releases are pull requests, for tests: a code host, and a git server whose branches it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import images_of_digest
from flux_stages import flux_stage
from gitserver import TOKEN, GitServer
from model_packages import MODEL
from pull_hosts import AzureDevOpsPullHost, GitHubPullHost

from mlops.adapters.flux import commits
from mlops.adapters.flux import pulls as pulls_module
from mlops.adapters.flux.target import open_target
from mlops.errors import BusyError, StepError, TargetError
from mlops.ports import Deployment, DeployTarget

INTO = "https://github.com/team/clusters.git"


def numbered(version: int) -> Deployment:
    """Return what to deploy as a version: nobody looks what its digest stands for."""
    digest = f"sha256:{str(version) * 64}"
    return Deployment(MODEL, version, digest, Path("unread"), "int8", images_of_digest(digest))


class Place:
    """A code host and a stage whose releases it asks people about; nobody looks at a cluster."""

    def __init__(self, kind: str, host: Any, server: GitServer) -> None:
        self.host, self.server = host, server
        stage = flux_stage(server.url, policy="pull-request", host=kind, wait=False)
        self.stage = replace(stage, kubernetes=replace(stage.kubernetes, rollout_seconds=0))

    @property
    def target(self) -> DeployTarget:
        """Return the target as a new process would open it."""
        return open_target(self.stage)

    def ask(self, work: Callable[[], object] | None = None) -> str:
        """Do what needs a pull request (by itself: deploy version 1) and return what is said of it."""
        with pytest.raises(StepError) as caught:
            (work or (lambda: self.target.deploy(numbered(1))))()
        assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)
        assert isinstance(caught.value, BusyError | TargetError)
        return str(caught.value)


@contextmanager
def pulls_at(kind: str, server: GitServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run a code host: git pushes to one server on loopback, and pull requests are asked for at this one."""
    host = GitHubPullHost(server) if kind == "github" else AzureDevOpsPullHost(server)
    into = INTO if kind == "github" else f"{host.url}/org/edge%20cameras/_git/clusters"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_API_URL", host.url)
    opened = pulls_module.open_pulls
    monkeypatch.setattr(commits, "open_pulls", lambda kind, url, token, branch: opened(kind, into, token, branch))
    try:
        yield host
    finally:
        host.close()


@pytest.fixture(params=["github", "azure-devops"])
def pull_place(
    request: pytest.FixtureRequest, git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Run a git server and a code host."""
    with pulls_at(request.param, git_server, monkeypatch) as host:
        yield Place(request.param, host, git_server)
