"""Kill -9 after every state change of a release, a failed canary and a rollback; run again; it must converge.

The changes are not listed by hand: the first, unharmed play counts each rename of a file, each tag and each start of an
endpoint, and then one play is killed after each of them, or after every third (tests/kill_points.py).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from forked import in_child
from kill_points import kill_points
from model_packages import make_package, spoil_golden

from mlops.adapters.local.registry import LocalRegistry, open_registry
from mlops.adapters.local.stop import stop_endpoints
from mlops.adapters.local.target import open_target
from mlops.client import JsonClient
from mlops.config import Release, Stage, Verify, load_stage
from mlops.context import Context
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback

QUICK = Verify(requests=2, bake_seconds=0, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1000.0)


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


def stage_for(model: str = "kills") -> Stage:
    """Return production with quick verification and a canary of one step."""
    production = load_stage("production")
    return replace(production, model=model, release=Release("int8", (10, 100), QUICK))


class Changes:
    """Counts the state changes of this process, and kills it after the given one (0: never)."""

    def __init__(self, kill_after: int, journal: Path) -> None:
        self.seen, self.kill_after, self.journal = 0, kill_after, journal
        self._after(os, "replace")
        self._after(os, "rename")
        self._after(subprocess, "Popen")
        self._after(LocalRegistry, "set_tag")

    def _after(self, owner: object, name: str) -> None:
        original = getattr(owner, name)

        def change(*arguments: object, **options: object) -> object:
            result = original(*arguments, **options)
            self.seen += 1
            if self.seen == self.kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            with self.journal.open("w") as file:
                file.write(str(self.seen))
            return result

        setattr(owner, name, change)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with versions 1, 2 and 3 registered, the third with golden predictions that it does not make."""
    home = tmp_path_factory.mktemp("kills") / "home"
    LocalRegistry(home.parent / "warm").versions("kills")  # imports what each child would import again
    packages = home.parent / "packages"

    def register() -> None:
        os.environ["VISIONLINE_HOME"] = str(home)  # the child's own
        registry = open_registry(stage_for())
        for number, spoiled in ((1, False), (2, False), (3, True)):
            package = make_package(packages / str(number), version_bias=number / 10)
            if spoiled:
                spoil_golden(package)
            registry.register("kills", package, {})

    assert in_child(register) == 0
    yield home


def prepare(home: Path, play: Play) -> None:
    """Bring a copy of the home to the scenario's start: `before` serves, and all of `approved` are approved."""

    def serve() -> None:
        context = Context(stage_for(), home.parent / "start", lambda line: None)
        for version in sorted(play.approved, key=lambda number: number != play.before):
            context.registry.set_tag("kills", version, "production", "approved")
            if version == play.before:
                deploy(context)  # the highest approved one as yet

    assert in_child(serve) == 0


def act(home: Path, play: Play, kill_after: int) -> int:
    """Play the scenario's act in a process that is killed after the given change."""

    def work() -> None:
        Changes(kill_after, home.parent / "changes")
        play.act(Context(stage_for(), home.parent / "run", lambda line: None))

    return in_child(work)


def check_serving(play: Play) -> None:
    """At every moment the endpoint serves, and by no version that is not part of the move."""
    status = open_target(stage_for()).status()
    if play.before is None and not status.traffic:
        return
    assert sum(status.traffic.values()) == 100, status
    assert set(status.traffic) <= {play.before, *play.approved}, status
    assert len(status.traffic) == 1 or sorted(status.traffic.values()) == [10, 90], status
    assert status.url is not None
    with JsonClient(status.url) as client:
        assert client.request("GET", "/v2/health/ready").status == 200


def check_end(home: Path, play: Play) -> None:
    """The right version has all the traffic, alone, and the tags say so."""
    status = open_target(stage_for()).status()
    assert (status.traffic, list(status.deployments)) == ({play.after: 100}, [play.after])

    def tags() -> None:
        versions = open_registry(stage_for()).versions("kills")
        assert stage_tag(versions[play.after], "production") == "approved"
        assert [n for n, one in versions.items() if stage_tag(one, "production") == "revoked"] == list(play.revoked)

    assert in_child(tags) == 0


@pytest.mark.parametrize("play", PLAYS, ids=[play.name for play in PLAYS])
def test_a_kill_after_any_change_and_a_rerun_converge(
    play: Play, registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = 0
    for kill_after in kill_points(lambda: changes, PLAYS.index(play)):
        home = tmp_path / str(kill_after) / "home"
        shutil.copytree(registered, home)
        monkeypatch.setenv("VISIONLINE_HOME", str(home))
        try:
            prepare(home, play)
            code = act(home, play, kill_after)
            if kill_after == 0:
                assert code == 0
                changes = int((home.parent / "changes").read_text())
                assert changes >= 5
            else:
                assert code == -signal.SIGKILL, f"change {kill_after} of {changes} was not reached"
                check_serving(play)
                assert act(home, play, 0) == 0
            check_end(home, play)
            assert act(home, play, 0) == 0  # once more: nothing is left to do, and nothing revoked returns
            check_end(home, play)
        finally:
            stop_endpoints(home)
