"""Kill -9 after every request of a release to an online endpoint that changes something; run again; it must converge.

The requests are not listed by hand: the first, unharmed play counts those that change an endpoint, a tag or the lock,
and then one play is killed after each of them: Azure has done it, or is doing it, and nobody knows.
"""

from __future__ import annotations

import copy
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azure.ai import ml  # noqa: F401 - seconds that each child would take
import pytest
from azurefake.blobs import side_of
from azurefake.message import Answer, Request
from azurefake.routes import ARM
from azurefake.scoring import scoring
from azurefake.state import ACCOUNT, Azure
from forked import in_child
from kill_points import kill_points
from online_endpoints import NAME, Served, registered

from mlops.adapters.azureml import workspace
from mlops.adapters.azureml.online import open_target
from mlops.adapters.azureml.registry import open_registry
from mlops.client import JsonClient
from mlops.context import Context
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback

LOCK = f"visionline/locks/{NAME}"
FRAMES = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}
QUICK = {"requests": 1, "bake_seconds": 0, "max_latency_ratio": 1000.0}
RELEASE = {"traffic_steps": [10, 100], "verify": QUICK}


@dataclass(frozen=True)
class Play:
    """One scenario: the version that serves before (None: none does), the one after, and what is done in between."""

    name: str
    approved: tuple[int, ...]
    before: int | None
    after: int
    revoked: tuple[int, ...]
    act: Callable[[Context], object]
    mirror_percent: int = 0


PLAYS = (
    Play("first release", (1,), None, 1, (), deploy),
    Play("release", (1, 2), 1, 2, (), deploy),
    Play("release by a shadow", (1, 2), 1, 2, (), deploy, 20),
    Play("failed canary", (1, 3), 1, 1, (3,), deploy),
    Play("rollback", (1, 2), 2, 1, (2,), lambda context: rollback(context, "a test")),
)


class Changes:
    """Counts the requests that change something, and kills the process that sent the given one (0: none)."""

    def __init__(self, azure: Azure, kill_after: int) -> None:
        """Listen from now on."""
        self.seen, self.kill_after = 0, kill_after
        self.process, self.is_known = 0, threading.Event()
        self._azure = azure

    def started(self, process: int) -> None:
        """Know which process to kill."""
        self.process = process
        self.is_known.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count, and kill, while the block runs."""
        original = self._azure.answer

        def answer(request: Request) -> Answer:
            result = original(request)
            if is_change(request):
                self.seen += 1
                if self.seen == self.kill_after:
                    assert self.is_known.wait(30)
                    os.kill(self.process, signal.SIGKILL)
            return result

        self._azure.answer = answer  # type: ignore[method-assign]
        try:
            yield
        finally:
            self._azure.answer = original  # type: ignore[method-assign]


def is_change(request: Request) -> bool:
    """Tell whether a request changes a resource or takes or gives back the lock; a renewal changes nothing."""
    is_renewal = request.headers.get("x-ms-lease-action") == "renew"
    is_lock = request.path.endswith(LOCK) and not is_renewal
    return request.method in ("PUT", "DELETE") and (request.host == ARM or is_lock)


def act(served: Served, play: Play, run: Path, kill_after: int) -> tuple[int, int]:
    """Play the act in a process that is killed after the given change; return its exit code and how many it made."""
    changes = Changes(served.azure, kill_after)

    def work() -> None:
        workspace._workspace_client.cache_clear()
        play.act(Context(served.stage, run, lambda line: None))

    with changes.counted():
        return in_child(work, changes.started), changes.seen


State = tuple[dict[str, Any], dict[Any, bytes], dict[str, Any]]


def keep(azure: Azure) -> State:
    """Return what the fake has, in a copy; models that are loaded stay loaded."""
    loaded = replace(scoring(azure), counts=Counter())
    more = {key: value for key, value in azure.more.items() if key != "scoring"}
    return copy.deepcopy(azure.resources), dict(azure.blobs), {**copy.deepcopy(more), "scoring": loaded}


def bring_back(azure: Azure, state: State) -> None:
    """Make the fake what it was."""
    resources, blobs, more = state
    rest = {key: value for key, value in more.items() if key != "scoring"}
    loaded = replace(more["scoring"], served=dict(more["scoring"].served), counts=Counter())
    azure.resources, azure.blobs = copy.deepcopy(resources), dict(blobs)
    azure.more = {**copy.deepcopy(rest), "scoring": loaded}


def check_serving(served: Served, play: Play) -> None:
    """At every moment the endpoint serves, and by no version that is not part of the move."""
    endpoint = served.azure.get(served.resource()["id"]) if play.before else None
    if endpoint is None:
        return
    traffic = endpoint["properties"]["traffic"]
    assert sum(traffic.values()) == 100 and set(traffic) <= {f"v{one:02d}" for one in (1, 2, 3)}, traffic
    assert len(traffic) == 1 or sorted(traffic.values()) == [10, 90], traffic
    seen = next(iter(open_target(served.stage).status().deployments.values()))
    with JsonClient(seen.url) as client:
        headers = {"Authorization": seen.headers["Authorization"]}
        assert {client.request("POST", "/score", FRAMES, headers).status for _ in range(10)} == {200}


def check_end(served: Served, play: Play) -> None:
    """The right version has all the traffic, alone, the tags say so, and nobody holds the lock."""
    status = open_target(served.stage).status()
    assert (status.traffic, list(status.deployments)) == ({play.after: 100}, [play.after])
    versions = open_registry(served.stage).versions(served.stage.model)
    assert stage_tag(versions[play.after], "production") == "approved"
    assert [n for n, one in versions.items() if stage_tag(one, "production") == "revoked"] == list(play.revoked)
    assert not side_of(served.azure, (ACCOUNT, "azureml-blobstore", LOCK)).lease


def mirroring(served: Served, percent: int) -> Served:
    """Return the stage with such a mirror."""
    azureml = served.stage.azureml
    changed = replace(azureml, online=replace(azureml.online, mirror_percent=percent))
    return replace(served, stage=replace(served.stage, azureml=changed))


@pytest.fixture
def served(azure: Azure, tmp_path: Path) -> Served:
    """Three versions, the third with golden predictions that it does not make."""
    return registered(azure, tmp_path, 3, spoiled=3, release=RELEASE)


@pytest.mark.parametrize("play", PLAYS, ids=[play.name for play in PLAYS])
def test_a_kill_after_any_change_and_a_rerun_converge(play: Play, served: Served, tmp_path: Path) -> None:
    registry = open_registry(served.stage)
    for version in sorted(play.approved, key=lambda number: number != play.before):
        registry.set_tag(served.stage.model, version, "production", "approved")
    if play.before:
        served.serve(play.before)
    served = mirroring(served, play.mirror_percent)
    start = keep(served.azure)
    changes = 0
    for kill_after in kill_points(lambda: changes, PLAYS.index(play)):
        bring_back(served.azure, start)
        run = tmp_path / str(kill_after)
        code, seen = act(served, play, run, kill_after)
        if kill_after == 0:
            changes = seen
            assert code == 0 and changes >= 5
        else:
            assert code == -signal.SIGKILL, f"change {kill_after} of {changes} was not reached"
            check_serving(served, play)
            side_of(served.azure, (ACCOUNT, "azureml-blobstore", LOCK)).lease = ""  # half a minute later
            assert act(served, play, run, 0)[0] == 0, kill_after
        check_end(served, play)
