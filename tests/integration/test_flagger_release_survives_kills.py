"""Kill -9 after each push and each tag of a release where Flagger moves the traffic; run again; it must converge.

The changes are not listed by hand: the first, unharmed play counts them. Flux and Flagger go on while the release is
dead, as they would: what they have come to by the time of the rerun is whatever it is.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cluster_stages import QUICK, packaged, register
from flagger_controller import Flagger
from flux_controllers import Flux
from flux_killer import Killer
from flux_stages import be_quick, flux_stage
from gitserver import BRANCH, README, GitServer, running_git_server
from kill_points import kill_points
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package
from running_endpoint import wait_for

from mlops.adapters.flux.lock import lock_ref
from mlops.adapters.flux.target import open_target
from mlops.adapters.local.registry import open_registry
from mlops.config import Release, Stage
from mlops.context import Context
from mlops.delivery import namespace_of
from mlops.records import stage_tag
from mlops.steps.deploy import deploy

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class World:
    """A git server, a cluster with Flux and Flagger that follow it, and a home whose registry knows two versions."""

    server: GitServer
    flagger: Flagger
    stage: Stage
    home: Path

    def deploy(self, run: Path) -> object:
        """Release as a new process does."""
        return deploy(Context(self.stage, run, lambda line: None))

    def serves(self, version: int) -> bool:
        """Tell whether one version alone is served, its pods being the primary's."""
        status = open_target(self.stage).status()
        ready = [one.state for one in status.deployments.values()]
        return (status.traffic, list(status.deployments), ready) == ({version: 100}, [version], ["ready"])


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    be_quick(monkeypatch)
    with running_git_server(tmp_path / "git") as server:
        stage = flux_stage(server.url, flagger=True)
        stage = replace(stage, release=Release("int8", (10, 50, 100), QUICK))
        packages = [make_package(tmp_path / str(number), version_bias=number / 10) for number in (1, 2)]
        register(stage, packages)
        for package in packages:
            packaged(cluster, package)
        with Flux(cluster, server).running(), Flagger(cluster, namespace_of(stage), MODEL).running() as flagger:
            yield World(server, flagger, stage, tmp_path / "home")


def prepare(world: World) -> str:
    """Let version 1 be served, and version 2 be approved; return the commit that says so."""
    for version in (1, 2):
        open_registry(world.stage).set_tag(MODEL, version, "production", "approved")
        if version == 1:
            world.deploy(world.home.parent / "start")
    return world.server.head()


def check_meanwhile(world: World) -> None:
    """All the traffic goes to versions that are known, and nobody else's file was touched."""
    status = open_target(world.stage).status()
    assert sum(status.traffic.values()) == 100 and set(status.traffic) <= {1, 2}
    assert README.items() <= world.server.files().items()


def check_end(world: World, is_good: bool) -> None:
    """The right version is served, alone; the tags say so, and nobody holds the lock."""
    served, gone = (2, 1) if is_good else (1, 2)
    wait_for(lambda: world.serves(served))
    assert not [path for path in world.server.files() if f"versions/v{gone}/" in path]
    tags = {number: stage_tag(one, "production") for number, one in open_registry(world.stage).versions(MODEL).items()}
    assert tags == {1: "approved", 2: "approved" if is_good else "revoked"}
    assert lock_ref("production", "clusters/production") not in world.server.refs()


@pytest.mark.parametrize("is_good", [True, False], ids=["promoted", "failed"])
def test_a_kill_after_any_change_and_a_rerun_converge(
    is_good: bool, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, changes = prepare(world), 0
    for kill_after in kill_points(lambda: changes, int(is_good)):
        world.flagger.verdict = ""
        world.server.git("update-ref", BRANCH, start)
        wait_for(lambda: world.serves(1))
        world.flagger.verdict = "" if is_good else "errors 12.5 > 0"
        home, run = tmp_path / f"home{kill_after}", tmp_path / f"run{kill_after}"
        shutil.copytree(world.home, home)
        monkeypatch.setenv("VISIONLINE_HOME", str(home))
        killer = Killer(kill_after, tmp_path / "changes")
        code = killer.run(lambda run=run: world.deploy(run))
        if kill_after == 0:
            changes = killer.changes
            assert code == 0 and changes >= 4
        else:
            assert code == -signal.SIGKILL, f"change {kill_after} of {changes} was not reached"
            check_meanwhile(world)
            if lock_ref("production", "clusters/production") in world.server.refs():
                world.server.git(
                    "update-ref", "-d", lock_ref("production", "clusters/production")
                )  # some minutes later
            world.deploy(run)
        check_end(world, is_good)
