"""Stages whose target is flux, for tests: a folder of a GitOps repository, and Flux that follows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flux_controllers import Flux
from gitserver import TOKEN, GitServer, running_git_server
from kubefake.cluster import Cluster

from mlops import rest
from mlops.adapters.flux import commits
from mlops.config import Stage, load_stage

SECONDS = 60.0


def flux_stage(repository: str, name: str = "production", **flux: Any) -> Stage:
    """Return a stage that releases to clusters/<stage> of a repository; `flux` changes keys of its flux section."""
    stage = load_stage(name)
    changed = {"repository": repository, "path": f"clusters/{name}", **flux}
    cluster = replace(stage.kubernetes, rollout_seconds=SECONDS)
    return replace(stage, target="flux", flux=replace(stage.flux, **changed), kubernetes=cluster)


def be_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a release have the repository's token, and wait for moments where it else waits for seconds."""
    monkeypatch.setenv("GITOPS_TOKEN", TOKEN)
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(commits, "POLL_SECONDS", 0.1)


@pytest.fixture
def git_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """Run a git server with a GitOps repository, to which this process may push."""
    be_quick(monkeypatch)
    with running_git_server(tmp_path / "git") as server:
        yield server


@contextmanager
def flux_place(cluster: Cluster, request: pytest.FixtureRequest, **flux: Any) -> Iterator[Stage]:
    """Run a git server, and Flux that applies it to a cluster; return production, which is released to by them."""
    be_quick(request.getfixturevalue("monkeypatch"))
    folder: Path = request.getfixturevalue("tmp_path")
    with running_git_server(folder / "git") as server, Flux(cluster, server).running():
        yield flux_stage(server.url, **flux)
