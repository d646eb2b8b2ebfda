"""Kill -9 after every request of a release to a cluster that changes something; run again; it must converge.

The requests are not listed by hand: the first, unharmed play counts those that change what is declared, a Deployment or
the route, and one play is killed after each of them, or after every third (tests/kill_points.py). At every moment the
cluster serves.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import cluster_stage, images_of_digest, packaged, register
from kubefake.cluster import Cluster
from kubefake.faults import Call
from kubefake.keeping import Kept, bring_back, keep
from kubefake.kubelet import kind_of
from kubernetes import client, config  # noqa: F401 - seconds that each child would take
from forked import in_child
from kill_points import kill_points
from model_packages import MODEL, make_package, spoil_golden

from mlops.adapters.kubernetes.rendering import render
from mlops.adapters.kubernetes.target import open_target
from mlops.adapters.local.registry import LocalRegistry, open_registry
from mlops.config import Stage
from mlops.context import Context
from mlops.delivery import Declared, Served, manifests, tree
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback
from modelpackage import package_digest

FRAMES = b'{"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}'

STEERING = ("Deployment", "HTTPRoute", "ConfigMap")
# The versions and the traffic of all that the plays declare on their way.
TREES: tuple[tuple[tuple[int, ...], dict[int, int]], ...] = (
    ((), {}),
    ((1,), {}),
    ((1,), {1: 100}),
    ((2,), {2: 100}),
    ((1, 2), {1: 100}),
    ((1, 2), {2: 100}),
    ((1, 2), {1: 90, 2: 10}),
    ((1, 3), {1: 100}),
)


@dataclass(frozen=True)
class Play:
    """One scenario: the version that serves before (None: none does), the one after, and what is done in between."""

    name: str
    approved: tuple[int, ...]
    before: int | None
    after: int
    revoked: tuple[int, ...]
    act: Callable[[Context], object]


PLAYS = (
    Play("first release", (1,), None, 1, (), deploy),
    Play("release", (1, 2), 1, 2, (), deploy),
    Play("failed canary", (1, 3), 1, 1, (3,), deploy),
    Play("rollback", (1, 2), 2, 1, (2,), lambda context: rollback(context, "a test")),
)


@dataclass
class Kills:
    """Counts the calls that change what steers a release, and kills the process that sent the given one (0: none)."""

    cluster: Cluster
    kill_after: int
    seen: int = 0
    process: int = 0
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    is_known: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Take note of what is there."""
        self.known = {key: state for kind in STEERING for key, state in states(self.cluster, kind).items()}

    def __call__(self, call: Call) -> None:
        """Count a call that left an object other than it was, or none; the kubelet's changes are nobody's."""
        kind = next((one for one in STEERING if kind_of(one).resource == call.resource), None)
        if kind is None:
            return
        now = states(self.cluster, kind).get((kind, call.name), "gone")
        if self.known.get((kind, call.name), "gone") == now:
            return
        self.known[kind, call.name] = now
        self.seen += 1
        if self.seen == self.kill_after:
            assert self.is_known.wait(30)
            os.kill(self.process, signal.SIGKILL)

    def started(self, process: int) -> None:
        """Know which process to kill."""
        self.process = process
        self.is_known.set()


def states(cluster: Cluster, kind: str) -> dict[tuple[str, str], str]:
    """Return what the objects of a kind want, by kind and name."""
    found = [one for one in cluster.store.list(kind_of(kind)) if kind != "ConfigMap" or "declared.json" in one["data"]]
    return {(kind, one["metadata"]["name"]): json.dumps(_wanted(one), sort_keys=True) for one in found}


def _wanted(one: dict[str, Any]) -> dict[str, Any]:
    ends = "deletionTimestamp" in one["metadata"]
    return {"spec": one.get("spec"), "data": one.get("data"), "ends": ends}


@dataclass(frozen=True)
class Start:
    """How a play begins: a stage on a cluster, the registry's home, and what the cluster has."""

    stage: Stage
    cluster: Cluster
    home: Path
    kept: Kept

    def act(self, play: Play, home: Path, kill_after: int) -> tuple[int, int]:
        """Play the act in a process that is killed after the given change; return its exit code and its changes."""
        kills = Kills(self.cluster, kill_after)
        self.cluster.after_change = kills
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VISIONLINE_HOME", str(home))
            code = in_child(
                lambda: play.act(Context(self.stage, home.parent / "run", lambda line: None)), kills.started
            )
        self.cluster.after_change = None
        return code, kills.seen

    def again(self, home: Path) -> None:
        """Bring the cluster back to the start, and the registry in another home."""
        shutil.copytree(self.home, home)
        bring_back(self.cluster, self.kept)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A home with versions 1, 2 and 3 registered, the third with golden predictions that it does not make."""
    home = tmp_path_factory.mktemp("kills") / "home"
    packages = [make_package(home.parent / str(number), version_bias=number / 10) for number in (1, 2, 3)]
    spoil_golden(packages[2])
    LocalRegistry(home.parent / "warm").versions(MODEL)  # imports what each child would import again

    def work() -> None:
        os.environ["VISIONLINE_HOME"] = str(home)  # the child's own
        register(cluster_stage(), packages)

    assert in_child(work) == 0
    return home, packages


def start_of(play: Play, cluster: Cluster, registered: tuple[Path, list[Path]], folder: Path) -> Start:
    """Let the version before serve, and approve all that the play wants approved."""
    stage, home = cluster_stage(rollout_seconds=30.0), folder / "start" / "home"
    shutil.copytree(registered[0], home)
    for package in registered[1]:
        packaged(cluster, package)
    warm(stage, registered[1])

    def serve() -> None:
        os.environ["VISIONLINE_HOME"] = str(home)
        context = Context(stage, folder / "start" / "run", lambda line: None)
        for version in sorted(play.approved, key=lambda number: number != play.before):
            context.registry.set_tag(MODEL, version, "production", "approved")
            if version == play.before:
                deploy(context)  # the highest approved one as yet

    assert in_child(serve) == 0
    return Start(stage, cluster, home, keep(cluster))


def warm(stage: Stage, packages: list[Path]) -> None:
    """Render here all trees of the plays, once: each child would by itself."""
    served = {
        number: Served(number, package_digest(one), "int8", images_of_digest(package_digest(one)))
        for number, one in enumerate(packages, start=1)
    }
    for versions, traffic in TREES:
        render({**manifests(stage), **tree(stage, Declared({one: served[one] for one in versions}, traffic))})


def check_serving(start: Start, play: Play) -> None:
    """At every moment the cluster serves, and by no version that is not part of the move."""
    status = open_target(start.stage).status()
    if play.before is None and not status.traffic:
        return
    assert sum(status.traffic.values()) == 100, status
    assert set(status.traffic) <= {play.before, *play.approved}, status
    assert len(status.traffic) == 1 or sorted(status.traffic.values()) == [10, 90], status
    answers = [start.cluster.gateway.answer("POST", f"/v2/models/{MODEL}/infer", {}, FRAMES) for _ in range(10)]
    assert {answer.status for answer in answers} == {200}


def check_end(start: Start, play: Play, home: Path) -> None:
    """The right version has all the traffic, alone, the tags say so, and nothing is left of another."""
    status = open_target(start.stage).status()
    assert (status.traffic, list(status.deployments)) == ({play.after: 100}, [play.after])
    for kind in ("Deployment", "Service", "ConfigMap", "PodDisruptionBudget"):
        names = [name for name in start.cluster.names(kind) if name.startswith(f"{MODEL}-v")]
        assert names == [f"{MODEL}-v{play.after}"]

    def tags() -> None:
        os.environ["VISIONLINE_HOME"] = str(home)
        versions = open_registry(start.stage).versions(MODEL)
        assert stage_tag(versions[play.after], "production") == "approved"
        assert [n for n, one in versions.items() if stage_tag(one, "production") == "revoked"] == list(play.revoked)

    assert in_child(tags) == 0


@pytest.mark.parametrize("play", PLAYS, ids=[play.name for play in PLAYS])
def test_a_kill_after_any_change_on_a_cluster_and_a_rerun_converge(
    play: Play, registered: tuple[Path, list[Path]], cluster: Cluster, tmp_path: Path
) -> None:
    start = start_of(play, cluster, registered, tmp_path)
    changes = 0
    for kill_after in kill_points(lambda: changes, PLAYS.index(play)):
        home = tmp_path / str(kill_after) / "home"
        start.again(home)
        code, seen = start.act(play, home, kill_after)
        if kill_after == 0:
            changes = seen
            assert code == 0 and changes >= 5
        else:
            assert code == -signal.SIGKILL, f"change {kill_after} of {changes} was not reached"
            check_serving(start, play)
            cluster.expire_leases()
            assert start.act(play, home, 0)[0] == 0, kill_after
        check_end(start, play, home)
