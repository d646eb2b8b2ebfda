"""Kill -9 after each push and each tag of a release by commits; run again; it must converge, and nothing is lost.

The changes are not listed by hand: the first, unharmed play counts them. Nobody looks at a cluster here: what is killed
between a commit and what the cluster shows of it is the same commit to the rerun.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cluster_stages import images_of_digest
from flux_killer import Killer
from flux_stages import be_quick, flux_stage
from gitserver import BRANCH, README, GitServer, running_git_server
from kill_points import kill_points
from model_packages import MODEL, make_package

from mlops.adapters.flux.lock import lock_ref
from mlops.adapters.flux.target import open_target
from mlops.adapters.local.registry import open_registry
from mlops.config import Stage
from mlops.context import Context
from mlops.names import image_tag
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback


@dataclass(frozen=True)
class Play:
    """One scenario: the version that is declared before, the one after, and what is done in between."""

    name: str
    before: int
    after: int
    revoked: tuple[int, ...]
    act: Callable[[Context], object]


PLAYS = (
    Play("release", 1, 2, (), deploy),
    Play("rollback", 2, 1, (2,), lambda context: rollback(context, "a test")),
)


@dataclass(frozen=True)
class World:
    """A git server, a stage that commits to it, and a home whose registry knows two versions."""

    server: GitServer
    stage: Stage
    home: Path

    def context(self, run: Path) -> Context:
        """Return what a step is given."""
        return Context(self.stage, run, lambda line: None)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    be_quick(monkeypatch)
    with running_git_server(tmp_path / "git") as server:
        stage = flux_stage(server.url, wait=False)
        stage = replace(stage, kubernetes=replace(stage.kubernetes, rollout_seconds=0.0))
        world = World(server, stage, tmp_path / "home")
        for number in (1, 2):
            package = make_package(tmp_path / str(number), version_bias=number / 10)
            made = open_registry(stage).register(MODEL, package, {})
            for kind, image in images_of_digest(made.digest).items():
                open_registry(stage).set_tag(MODEL, number, image_tag(kind), image)
        yield world


def prepare(world: World, play: Play) -> None:
    """Let the version before be declared, with all the traffic, and both be approved."""
    context = world.context(world.home.parent / "start")
    for version in sorted((1, 2), key=lambda number: number != play.before):
        context.registry.set_tag(MODEL, version, "production", "approved")
        if version == play.before:
            deploy(context)


def check_declared(world: World, play: Play) -> None:
    """At every moment all the traffic goes to a version that is declared, and nobody else's file was touched."""
    status = open_target(world.stage).status()
    assert status.traffic in ({play.before: 100}, {play.after: 100})
    assert set(status.traffic) <= set(status.deployments) <= {1, 2}
    assert README.items() <= world.server.files().items()


def check_end(world: World, play: Play) -> None:
    """The right version is declared, alone; the tags say so, and nobody holds the lock."""
    check_declared(world, play)
    status = open_target(world.stage).status()
    assert (status.traffic, list(status.deployments)) == ({play.after: 100}, [play.after])
    assert not [path for path in world.server.files() if f"versions/v{play.before}/" in path]
    versions = open_registry(world.stage).versions(MODEL)
    assert [n for n, one in versions.items() if stage_tag(one, "production") == "revoked"] == list(play.revoked)
    assert lock_ref("production", "clusters/production") not in world.server.refs()


@pytest.mark.parametrize("play", PLAYS, ids=[play.name for play in PLAYS])
def test_a_kill_after_any_change_and_a_rerun_converge(
    play: Play, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(world, play)
    start, changes = world.server.head(), 0
    for kill_after in kill_points(lambda: changes, PLAYS.index(play)):
        home = tmp_path / f"home{kill_after}"
        shutil.copytree(world.home, home)
        monkeypatch.setenv("VISIONLINE_HOME", str(home))
        world.server.git("update-ref", BRANCH, start)
        run = tmp_path / f"run{kill_after}"
        code = Killer(kill_after, tmp_path / "changes").run(lambda run=run: play.act(world.context(run)))
        if kill_after == 0:
            changes = int((tmp_path / "changes").read_text())
            assert code == 0 and changes >= 5
        else:
            assert code == -signal.SIGKILL, f"change {kill_after} of {changes} was not reached"
            check_declared(world, play)
            world.server.git("update-ref", "-d", lock_ref("production", "clusters/production"))  # some minutes later
            play.act(world.context(run))
        check_end(world, play)
