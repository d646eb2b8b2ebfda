"""With Flux a version that breaks can be left: what else of the folder is not healthy keeps nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cluster_stages import QUICK, packaged, register
from flux_controllers import Flux
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package
from running_endpoint import wait_for

from mlops.adapters.flux.target import open_target
from mlops.config import Release, Stage
from mlops.context import Context
from mlops.errors import TargetError
from mlops.ports import EndpointStatus
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback

VERSIONS = (1, 2, 3)
WORKERS = "the cameras' workers, streams, do not get ready with version"


@dataclass(frozen=True)
class Served:
    """A stage that serves version 2 by Flux, with version 1 approved, too."""

    cluster: Cluster
    context: Context

    def approve(self, version: int) -> None:
        """Let a version into the stage."""
        self.context.registry.set_tag(MODEL, version, self.context.stage.name, "approved")

    def status(self) -> EndpointStatus:
        """Return what is served, as a new process sees it."""
        return open_target(self.context.stage).status()

    def expect(self, version: int) -> None:
        """Hold the cluster to serving one version alone."""
        status = self.status()
        assert (status.traffic, list(status.deployments)) == ({version: 100}, [version])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    return [make_package(folder / str(number), version_bias=number / 10) for number in VERSIONS]


@pytest.fixture
def stage(git_server: GitServer) -> Stage:
    made = flux_stage(git_server.url)
    return replace(made, release=Release("int8", (100,), QUICK))


@pytest.fixture
def served(
    stage: Stage, cluster: Cluster, git_server: GitServer, packages: list[Path], tmp_path: Path
) -> Iterator[Served]:
    yield from serving(stage, cluster, git_server, packages, tmp_path)


@pytest.fixture
def site(
    stage: Stage, cluster: Cluster, git_server: GitServer, packages: list[Path], tmp_path: Path
) -> Iterator[Served]:
    """As `served`, on a site with cameras."""
    cameras = replace(stage, kubernetes=replace(stage.kubernetes, overlay="edge-cameras"))
    yield from serving(cameras, cluster, git_server, packages, tmp_path)


def serving(stage: Stage, cluster: Cluster, server: GitServer, packages: list[Path], run: Path) -> Iterator[Served]:
    for package in packages:
        packaged(cluster, package)
    register(stage, packages)
    made = Served(cluster, Context(stage, run, lambda line: None))
    with Flux(cluster, server, health_seconds=1.0).running():
        made.approve(1)
        made.approve(2)
        assert deploy(made.context).outcome == "served"
        yield made


def test_a_version_that_crashes_while_it_serves_is_left_by_a_rollback(served: Served) -> None:
    served.cluster.fail(f"{MODEL}-v2", "crash-loop", "out of memory")
    record = rollback(served.context, "it crashes")
    assert (record.revoked, record.served) == (2, 1)
    served.expect(1)


def test_a_version_that_crashes_while_it_serves_is_left_by_a_version_that_works(served: Served) -> None:
    served.cluster.fail(f"{MODEL}-v2", "crash-loop", "out of memory")
    wait_for(lambda: served.status().deployments[2].state == "failed")
    served.approve(3)
    assert deploy(served.context).outcome == "served"
    served.expect(3)


def test_a_rollback_is_kept_by_no_worker_and_says_that_none_runs(site: Served) -> None:
    for version in (1, 2):
        site.cluster.fail(f"streams-v{version}", "crash-loop", "streams-0.yaml: a key is unknown")
    with pytest.raises(TargetError, match=f"{WORKERS} 1: pod streams-0 crashes.*a key is unknown"):
        rollback(site.context, "it is wrong")
    assert site.status().traffic == {1: 100}, "a version that people left gets no request any more"
    site.cluster.heal("streams-v1")
    assert deploy(site.context).outcome == "served"
    site.expect(1)


def test_a_release_whose_workers_crash_is_no_success_and_blames_no_version(site: Served) -> None:
    site.approve(3)
    site.cluster.fail("streams-v3", "crash-loop", "no model")
    with pytest.raises(TargetError, match=f"{WORKERS} 3: pod streams-0 crashes.*: no model"):
        deploy(site.context)
    assert site.context.registry.versions(MODEL)[3].tags[site.context.stage.name] == "approved"
    site.cluster.heal("streams-v3")
    assert deploy(site.context).outcome == "served"
    site.expect(3)
