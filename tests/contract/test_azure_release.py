"""The steps themselves, as processes, release to an online endpoint: canary, verification, failed canary, rollback."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azurefake import online, scoring
from azurefake.faults import Drop, Fault
from azurefake.message import Request, refusal
from azurefake.stages import write_stages
from azurefake.state import Azure
from online_endpoints import NAME, Served, changing, registered
from running_endpoint import wait_for
from step_process import run_step

from mlops.adapters.azureml.onlinelock import held
from mlops.adapters.azureml.registry import open_registry
from mlops.client import JsonClient

QUICK = {"requests": 2, "bake_seconds": 0, "max_latency_ratio": 1000.0}
BAKED = {**QUICK, "bake_seconds": 1}
CHANGES: dict[str, Any] = {"target": "azureml-online", "release": {"traffic_steps": [10, 50, 100], "verify": QUICK}}
MIRRORED: dict[str, Any] = {
    "target": "azureml-online",
    "release": {"traffic_steps": [50, 100], "verify": BAKED},
    "azureml": {"online": {"mirror_percent": 20}},
}
FRAMES = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}


class Release:
    """A stage with versions registered, and its steps as processes of their own."""

    def __init__(self, azure: Azure, folder: Path) -> None:
        """Register versions 1 and 2, the first of them approved for production."""
        self.azure, self.folder = azure, folder
        self.served: Served = registered(azure, folder / "packages", 2)
        self.registry = open_registry(self.served.stage)
        self.write(CHANGES)
        self.approve(1)

    def write(self, changes: dict[str, Any]) -> None:
        """Write the stage files, production changed so."""
        write_stages(self.folder / "stages", production=changes)

    def approve(self, version: int) -> None:
        """Let a version into production."""
        self.registry.set_tag(self.served.stage.model, version, "production", "approved")

    def tag(self, version: int) -> str:
        """Return what production says of a version."""
        return self.registry.versions(self.served.stage.model)[version].tags["production"]

    def step(self, name: str, *flags: str, run: str = "run", fresh: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a step to its end; nothing that it says or writes may hold a secret."""
        environment = {**os.environ, "VISIONLINE_STAGES": str(self.folder / "stages")}
        done = run_step(name, "--stage", "production", "--run", run, *flags, env=environment, fresh=fresh)
        records = [path.read_text() for path in self.folder.rglob("runs/**/*.json")]
        assert Azure.SECRET not in "".join([done.stdout, done.stderr, *records])
        return done

    def serve(self, *versions: int) -> None:
        """Have the first of these versions serve, alone, as a release would."""
        self.served.serve(*versions)
        self.azure.requests.clear()

    def state(self) -> tuple[dict[int, int], list[int]]:
        """Return the endpoint's traffic and the versions that are deployed."""
        status = self.served.target.status()
        return status.traffic, list(status.deployments)

    def traffics(self) -> list[dict[str, int]]:
        """Return the traffic of each request that changed it, in order."""
        return self.shares("traffic")

    def shares(self, kind: str) -> list[dict[str, int]]:
        """Return the traffic, or the mirrorTraffic, of each request that changed either, in order."""
        bodies = (one.json for one in changing(self.azure) if one.method == "PUT" and one.path.endswith(NAME))
        return [body["properties"][kind] for body in bodies]


@pytest.fixture
def release(azure: Azure, tmp_path: Path) -> Release:
    return Release(azure, tmp_path)


@contextmanager
def live_traffic(release: Release) -> Iterator[list[int]]:
    """Send requests as clients do while the block runs. Yield the statuses."""
    statuses: list[int] = []
    is_over = threading.Event()
    seen = release.served.target.status().deployments[1]
    headers = {"Authorization": seen.headers["Authorization"]}

    def clients() -> None:
        with JsonClient(seen.url) as client:
            while not is_over.wait(0.01):
                statuses.append(client.request("POST", "/score", FRAMES, headers).status)

    thread = threading.Thread(target=clients)
    thread.start()
    try:
        yield statuses
    finally:
        is_over.set()
        thread.join()


def test_the_first_release_then_a_canary_in_steps_then_a_verification(release: Release) -> None:
    done = release.step("deploy", run="first", fresh=True)
    assert (done.returncode, release.state()) == (0, ({1: 100}, [1])), done.stderr
    release.approve(2)
    release.azure.requests.clear()
    with live_traffic(release) as statuses:
        done = release.step("deploy", run="second")
    assert done.returncode == 0, done.stderr
    assert release.state() == ({2: 100}, [2])
    assert set(statuses) == {200}, "no request is lost"
    steps = [{"v01": 90, "v02": 10}, {"v01": 50, "v02": 50}, {"v02": 100}]
    assert release.traffics() == steps
    assert release.served.changes() == ["PUT /deployments/v02", "PUT /", "PUT /", "PUT /", "DELETE /deployments/v01"]
    assert done.stdout.splitlines()[-1].startswith("production: served, serving version 2")
    assert done.stderr == "", "the SDK's chatter is kept to itself"
    record = json.loads((Path(os.environ["VISIONLINE_RUNS"]) / "second" / "deploy.production.json").read_text())
    assert [event["traffic"] for event in record["events"]] == [
        {str(int(name[1:])): percent for name, percent in step.items()} for step in steps
    ]
    release.azure.requests.clear()
    done = release.step("verify", fresh=True)
    assert done.returncode == 0 and "golden" in done.stdout, done.stdout + done.stderr
    assert changing(release.azure) == []


def test_a_canary_that_fails_under_live_traffic_gives_it_back_and_is_revoked(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    scoring.break_down_at_traffic(release.azure, "v02")
    with live_traffic(release):
        done = release.step("deploy")
    assert done.returncode == 2, done.stderr
    assert release.traffics() == [{"v01": 90, "v02": 10}, {"v01": 100}]
    assert release.served.changes() == ["PUT /deployments/v02", "PUT /", "PUT /", "DELETE /deployments/v02"]
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "revoked")
    assert release.step("deploy").returncode == 0
    assert release.state() == ({1: 100}, [1])


def test_a_canary_that_fails_before_it_has_traffic_never_gets_any(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    scoring.break_down(release.azure, "v02", every=2)
    done = release.step("deploy")
    assert (done.returncode, release.traffics()) == (2, [])
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "revoked")


def test_a_shadow_scores_copies_for_a_bake_and_its_mirror_ends_with_the_first_step(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    release.write(MIRRORED)
    with live_traffic(release) as statuses:
        done = release.step("deploy")
    assert done.returncode == 0, done.stderr
    assert "production: copies of 20 % of the live requests to version 2" in done.stdout
    assert set(statuses) == {200}, "no request is lost"
    assert release.served.changes() == ["PUT /deployments/v02", "PUT /", "PUT /", "PUT /", "DELETE /deployments/v01"]
    assert release.traffics() == [{"v01": 100}, {"v01": 50, "v02": 50}, {"v02": 100}]
    assert release.shares("mirrorTraffic") == [{"v02": 20}, {}, {}]
    assert release.state() == ({2: 100}, [2])


def test_a_shadow_that_fails_on_copies_is_revoked_and_costs_no_client_an_answer(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    release.write(MIRRORED)
    scoring.break_down_at_traffic(release.azure, "v02")
    with live_traffic(release) as statuses:
        done = release.step("deploy")
    assert done.returncode == 2 and "live requests failed" in done.stdout, done.stderr
    assert release.served.changes() == ["PUT /deployments/v02", "PUT /", "PUT /", "DELETE /deployments/v02"]
    assert release.traffics() == [{"v01": 100}, {"v01": 100}]
    assert release.shares("mirrorTraffic") == [{"v02": 20}, {}]
    assert set(statuses) == {200}
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "revoked")


def test_where_nothing_serves_and_in_a_rollback_nothing_is_mirrored(release: Release) -> None:
    release.write(MIRRORED)
    assert release.step("deploy", run="first").returncode == 0
    release.approve(2)
    release.serve(2)
    assert release.step("rollback", "--reason", "it mistakes boots for bags").returncode == 0
    assert not any(release.shares("mirrorTraffic")) and release.state() == ({1: 100}, [1])


def test_a_version_whose_container_crashes_is_rejected_with_its_log(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    log = f"Initializing\nKeyError: 'contract.json'\ntoken=Bearer {Azure.SECRET}"
    online.fail(release.azure, "v02", "ResourceNotReady", "User container has crashed or terminated.", log)
    done = release.step("deploy")
    assert done.returncode == 2 and "KeyError: 'contract.json'" in done.stdout, done.stderr
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "revoked")


def test_a_quota_error_is_no_verdict_on_the_version_and_a_rerun_releases_it(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    online.fail(release.azure, "v02", "OutOfQuota", "Not enough quota available for Standard_F4s_v2.")
    done = release.step("deploy")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "OutOfQuota" in done.stderr and "azureml.online.instance_type" in done.stderr
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "approved")
    online.online(release.azure).failures.clear()
    assert release.step("deploy").returncode == 0
    assert release.state() == ({2: 100}, [2])


def test_a_rollback_serves_the_version_before_at_once(release: Release) -> None:
    release.approve(2)
    release.serve(2)
    done = release.step("rollback", "--reason", "it mistakes boots for bags", fresh=True)
    assert done.returncode == 0, done.stderr
    assert release.served.changes() == ["PUT /deployments/v01", "PUT /", "DELETE /deployments/v02"]
    assert release.traffics() == [{"v01": 100}]
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "revoked")


def test_of_two_releases_at_once_the_second_is_told_to_wait_and_changes_nothing(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    with held(release.served.stage, NAME):
        done = release.step("deploy")
    assert done.returncode == 1 and "is releasing to it since" in done.stderr and done.stderr.count("\n") == 1
    assert changing(release.azure) == []
    assert release.step("deploy").returncode == 0


def test_a_token_that_expires_during_a_release_is_renewed(azure: Azure, tmp_path: Path) -> None:
    azure.token_seconds = 2.0
    release = Release(azure, tmp_path)
    release.write({**CHANGES, "azureml": {"online": {"auth": "aml_token"}}})
    online.online(azure).token_seconds = 1.0
    done = release.step("deploy")
    assert done.returncode == 0, done.stderr
    asked = wait_for(lambda: azure.sent("POST", "/oauth2/v2.0/token"))
    assert len(asked) >= 2
    assert release.served.resource()["properties"]["traffic"] == {"v01": 100}


class WhileItHasTraffic(Fault):
    """Breaks off requests to an endpoint as long as a deployment has traffic and there are drops left."""

    def __init__(self, release: Release, deployment: str, drops: int) -> None:
        super().__init__("POST", "/score", deque([Drop()] * drops))
        self._has_traffic = lambda: release.served.resource()["properties"]["traffic"].get(deployment)

    def matches(self, request: Request) -> bool:
        """Tell whether this is such a request."""
        return super().matches(request) and bool(self._has_traffic())


def test_a_connection_that_is_lost_before_there_is_traffic_blames_no_version(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    # The first request finds out whether there is a way to it; the next one is the first probe.
    release.azure.fail("POST", "/score", refusal(424, "Failed", "No frames."), Drop())
    done = release.step("deploy")
    assert done.returncode == 1, done.stdout
    assert "got no answer" in done.stdout and "no version is to blame: run the step again" in done.stdout
    assert (release.state(), release.tag(2), release.traffics()) == (({1: 100}, [1]), "approved", [])
    assert release.step("deploy").returncode == 0
    assert release.state() == ({2: 100}, [2])


def test_a_connection_that_is_lost_at_the_canary_gives_the_traffic_back_and_a_rerun_goes_on(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    release.azure.faults.append(WhileItHasTraffic(release, "v02", 1))
    done = release.step("deploy")
    assert (done.returncode, release.traffics()) == (1, [{"v01": 90, "v02": 10}, {"v01": 100}]), done.stdout
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "approved")
    assert release.step("deploy").returncode == 0
    assert release.state() == ({2: 100}, [2])


def test_a_container_that_fails_beside_a_lost_connection_is_still_rejected(release: Release) -> None:
    release.serve(1)
    release.approve(2)
    scoring.break_down(release.azure, "v02", every=1)
    release.azure.fail("POST", "/score", refusal(424, "Failed", "No frames."), Drop())
    assert release.step("deploy").returncode == 2
    assert (release.state(), release.tag(2)) == (({1: 100}, [1]), "revoked")
