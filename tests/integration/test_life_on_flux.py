"""The demo's scenario with production on Flux: the same acts, steps, gates and records; each move is a commit.

Dev and qa are on this machine, production is a folder of a GitOps repository on a git server, which (a small) Flux
applies to (a fake of) a cluster whose pods are real runtimes. What trains stands in for itself, but for the
registration, which is the real one. Cameras send frames to the cluster's gateway while version 3 gets traffic.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
import yaml
from cluster_stages import packaged
from controllers import following
from flux_controllers import Flux
from flux_stages import be_quick
from frozen_stages import FROZEN, based
from gitserver import README, TOKEN, GitServer, running_git_server
from image_batches import IMAGES, publish_batch
from kubefake.cluster import Cluster
from trainings import trained

from mlops.adapters.local.stop import stop_endpoints
from mlops.cli import main
from mlops.client import JsonClient
from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.demo.acts import Act, life
from mlops.errors import StepError
from mlops.names import image_tag
from mlops.records import ScoreRecord, read_record, stage_tag
from mlops.steps.register import register

MODEL = "fashion-classifier"
ELSEWHERE = ("data",)  # data is published below
QUICK = {"requests": 4, "bake_seconds": 0, "max_latency_ratio": 1e6}
FRAMES = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}


@pytest.fixture
def server(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    """Run the repository and Flux, and let production be released to them."""
    be_quick(monkeypatch)
    with running_git_server(tmp_path / "git") as server, Flux(cluster, server).running():
        write_stages(tmp_path / "stages", server, bake_seconds=0)
        monkeypatch.setenv("VISIONLINE_STAGES", str(tmp_path / "stages"))
        yield server
        for name in ("dev", "qa"):
            stop_endpoints(load_stage(name).home)


def write_stages(folder: Path, server: GitServer, bake_seconds: int) -> None:
    """Write the stage files: production's canary bakes for so many seconds, or until a live request fails."""
    based(folder)
    for name in ("dev", "qa", "production"):
        content = yaml.safe_load((FROZEN / f"{name}.yaml").read_text(encoding="utf-8"))
        content["release"] = {"verify": QUICK}
        if name == "production":
            verify = {**QUICK, "bake_seconds": bake_seconds}
            flux = {"repository": server.url, "path": "clusters/production"}
            content |= {"target": "flux", "release": {"traffic_steps": [50, 100], "verify": verify}, "flux": flux}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def train(cluster: Cluster, number: int, folder: Path) -> None:
    """Register what a training leaves behind, its images being pushed; version 3 takes one size of frames alone."""
    dev = Context(load_stage("dev"), run_folder(f"life/v{number}"), lambda line: None)
    submission = trained(folder / f"model{number}", number, dev, frame_size=28 if number == 3 else None)
    record = register(dev, submission)
    assert record.version == number, record.verdict
    for kind, image in packaged(cluster, dev.package(number)).items():
        dev.registry.set_tag(MODEL, number, image_tag(kind), image)


@contextmanager
def cameras() -> Iterator[None]:
    """Send frames to production's gateway while the block runs, whatever comes back."""
    url = Context(load_stage("production"), run_folder("life")).target.status().url
    with JsonClient(str(url)) as client:

        def send() -> None:
            with suppress(StepError, OSError):
                client.request("POST", f"/v2/models/{MODEL}/infer", FRAMES)

        with following("cameras", send, threading.Event()):
            yield


def play(cluster: Cluster, act: Act, folder: Path) -> None:
    """Run an act's command and hold it to the exit code that the scenario wants."""
    said: list[str] = []
    if act.command[0] == "train":
        train(cluster, int(act.title.split()[1][1:]), folder)
        return
    with cameras() if act.title == "deploy v3 to prod" else nullcontext():
        assert main(act.command, said.append) == act.expected, (act.title, said[-4:])


def test_a_models_whole_life_with_production_on_flux_is_that_of_a_models_life_here(
    cluster: Cluster, server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops.rollout.POLLS", 200)
    publish_batch(tmp_path / "images")
    for act in life("life", brief=()):
        if isinstance(act, Act) and act.command[0] not in ELSEWHERE:
            if act.title == "deploy v3 to prod":
                write_stages(tmp_path / "stages", server, bake_seconds=60)
            play(cluster, act, tmp_path)
    production = Context(load_stage("production"), run_folder("life"))
    versions = production.registry.versions(MODEL)
    assert [stage_tag(versions[number], "production") for number in (1, 2, 3)] == ["approved", "revoked", "revoked"]
    status = production.target.status()
    assert (status.traffic, list(status.deployments)) == ({1: 100}, [1])
    assert status.deployments[1].digest == versions[1].digest
    canary = json.loads((run_folder("life/v3") / "deploy.production.json").read_text())
    assert (canary["outcome"], canary["version"]) == ("reverted", 2)
    assert canary["events"][0]["traffic"] == {"2": 50, "3": 50} and "live" in canary["verdict"]["reason"]
    check_history(server, {number: one.digest for number, one in versions.items()})
    assert cluster.names("Deployment") == [f"{MODEL}-v1"]
    batch = read_record(run_folder("life/batch"), "score.production", ScoreRecord)
    assert (batch.version, batch.files, batch.failed) == (1, IMAGES, 0)
    told = [path.read_text() for path in run_folder("life").rglob("*.json")]
    assert told and not [text for text in told if TOKEN in text]


def check_history(server: GitServer, digests: dict[int, str]) -> None:
    """Each move is a commit that names stage, version and digest; no other file was touched, no ref is left."""
    messages = [one for one in server.messages()[::-1] if one.startswith("production: ")]
    titles = [one.partition("\n")[0].removeprefix("production: ") for one in messages]
    assert titles == [
        *(f"version 1 of {MODEL}", "100 % to version 1"),
        *(f"version 2 of {MODEL}", "50 % to version 1, 50 % to version 2", "100 % to version 2", "version 1 goes"),
        *(f"version 3 of {MODEL}", "50 % to version 2, 50 % to version 3", "100 % to version 2", "version 3 goes"),
        *(f"version 1 of {MODEL}", "100 % to version 1", "version 2 goes"),
    ]
    assert f"Version: 3\nDigest: {digests[3]}\n" in messages[6] and "Stage: production" in messages[6]
    assert README.items() <= server.files().items() and server.refs() == ["refs/heads/main"]
    assert "".join(server.files().values()).count(digests[3]) == 0, "a revoked version leaves the repository"
