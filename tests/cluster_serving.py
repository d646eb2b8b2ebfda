"""The fixture `serving`: a fake cluster that serves version 1 of two, released by the step `deploy` itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster_stages import cluster_stage, packaged, register
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package

from mlops.adapters.kubernetes.target import open_target
from mlops.config import Stage
from mlops.context import Context
from mlops.ports import EndpointStatus
from mlops.records import DeployRecord
from mlops.steps.deploy import deploy


@dataclass(frozen=True)
class Serving:
    """A cluster that serves version 1, and a registry with two versions, of which the first is approved."""

    cluster: Cluster
    stage: Stage
    run: Path
    packages: list[Path]

    @property
    def context(self) -> Context:
        """Return the context of a new process."""
        return Context(self.stage, self.run, lambda line: None)

    def approve(self, version: int) -> None:
        """Let a version into the stage."""
        self.context.registry.set_tag(MODEL, version, self.stage.name, "approved")

    def deploy(self) -> DeployRecord:
        """Release what is approved."""
        return deploy(self.context)

    def status(self) -> EndpointStatus:
        """Return what is served, as a new process sees it."""
        return open_target(self.stage).status()

    def expect(self, version: int) -> None:
        """Hold the cluster to serving one version alone."""
        status = self.status()
        assert (status.traffic, list(status.deployments)) == ({version: 100}, [version])
        assert status.deployments[version].state == "ready"


@pytest.fixture(scope="module")
def serving_packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    return [make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)]


@pytest.fixture(scope="module")
def serving_home(serving_packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a registry with both versions: to make one takes longer than all the rest of a test."""
    made = tmp_path_factory.mktemp("registered") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLINE_HOME", str(made))
        register(cluster_stage(), serving_packages)
    return made


@pytest.fixture(params=["gateway"])
def serving(
    cluster: Cluster, serving_packages: list[Path], serving_home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Serving]:
    shutil.copytree(serving_home, tmp_path / "home")
    for package in serving_packages:
        packaged(cluster, package)
    stage = cluster_stage(traffic=request.param, replicas=2 if request.param == "replicas" else 1, rollout_seconds=30.0)
    made = Serving(cluster, stage, tmp_path / "run", serving_packages)
    made.approve(1)
    made.deploy()
    yield made
