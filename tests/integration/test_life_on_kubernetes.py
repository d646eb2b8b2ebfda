"""The demo's scenario on (fakes of) clusters: the same acts, steps, gates and records as on this machine.

Dev is this machine; qa and production have a cluster each. What trains a model stands in for itself, but for the
registration, which is the real one, and so do its images. The pods are real edge runtimes on the registered packages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_stages import images_of_digest
from frozen_stages import FROZEN, based
from image_batches import IMAGES, publish_batch
from kubefake.cluster import TOKEN, Cluster, new_cluster, write_kubeconfig
from kubefake.faults import Call
from kubefake.runtimes import Runtimes
from model_packages import MODEL
from trainings import trained

from mlops.adapters.local.stop import stop_endpoints
from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.demo.acts import Act, life
from mlops.names import image_tag
from mlops.records import ScoreRecord, read_record, stage_tag, write_record
from mlops.steps.register import register

QUICK = {"verify": {"requests": 4, "bake_seconds": 0, "max_latency_ratio": 1e6}}
CAMERA = {"inputs": [{"name": "frames", "shape": [1, 2, 2, 3], "datatype": "UINT8", "data": [200, 0, 0] * 4}]}
SKIPPED = ("data",)  # data is published below


@dataclass(frozen=True)
class Life:
    """What is left of a life that was played: the clusters by stage, where all was kept, and what was said."""

    clusters: dict[str, Cluster]
    root: Path
    said: list[str]


def write_stages(folder: Path) -> None:
    """Write stage files: qa and production are pushed to the cluster of their name's context."""
    based(folder)
    for name in ("dev", "qa", "production"):
        content: dict[str, Any] = yaml.safe_load((FROZEN / f"{name}.yaml").read_text(encoding="utf-8"))
        release = {**content.get("release", {}), **QUICK}
        place = (
            {"target": "kubernetes", "kubernetes": {"context": name, "rollout_seconds": 30}} if name != "dev" else {}
        )
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**content, **place, "release": release}))


def train(number: int, folder: Path, clusters: dict[str, Cluster]) -> None:
    """Leave behind what a training and its packaging do: a version in the registry, whose images can be pulled.

    The third takes frames of one size only, as in the demo, which no gate can see.
    """
    dev = Context(load_stage("dev"), run_folder(f"life/v{number}"), lambda line: None)
    register(dev, trained(folder, number, dev, frame_size=28 if number == 3 else None))
    images = images_of_digest(dev.registry.versions(MODEL)[number].digest)
    for kind, image in images.items():
        dev.registry.set_tag(MODEL, number, image_tag(kind), image)
    for cluster in clusters.values():
        cluster.package(images["model"], dev.package(number))


def cameras(cluster: Cluster) -> Callable[[Call], None]:
    """Return what sends frames as cameras do whenever the traffic was moved."""
    body = json.dumps(CAMERA).encode()

    def send(call: Call) -> None:
        if (call.verb, call.resource) == ("patch", "httproutes.gateway.networking.k8s.io"):
            for _ in range(20):
                cluster.gateway.answer("POST", f"/v2/models/{MODEL}/infer", {}, body)

    return send


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, runtimes: Runtimes, kubectl: Path) -> Iterator[Life]:
    """Play the whole life once."""
    root = tmp_path_factory.mktemp("life")
    write_stages(root / "stages")
    with new_cluster(runtimes).running() as qa, new_cluster(runtimes).running() as production:
        clusters, said = {"qa": qa, "production": production}, []
        production.after_change = cameras(production)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}")
            patch.setenv("KUBECONFIG", str(write_kubeconfig(root / "kubeconfig", clusters)))
            for name, folder in (("HOME", "home"), ("RUNS", "runs"), ("STAGES", "stages")):
                patch.setenv(f"VISIONLINE_{name}", str(root / folder))
            play(root, clusters, said.append)
            yield Life(clusters, root, said)
            stop_endpoints(load_stage("dev").home)
        assert [one.errors + one.kubelet.problems for one in clusters.values()] == [[], []]


def play(root: Path, clusters: dict[str, Cluster], say: Callable[[str], None]) -> None:
    """Run each act's command and hold it to the exit code that the scenario wants."""
    (root / "raw").mkdir()
    (root / "raw" / "images").write_text("pixels")
    data = Context(load_stage("dev"), run_folder("life")).data.publish("stripes", root / "raw")
    for name in ("v1", "v2", "v3"):
        write_record(run_folder(f"life/{name}"), "data", data)
    publish_batch(root / "images")
    for act in life("life", brief=()):
        if not isinstance(act, Act) or act.command[0] in SKIPPED:
            continue
        if act.command[0] == "train":
            train(int(act.title[-1]), root / act.title[-2:], clusters)
        else:
            assert main(act.command, say) == act.expected, act.title


@pytest.fixture
def places(lived: Life, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Point a test at where the life was played."""
    for name, folder in (("HOME", "home"), ("RUNS", "runs"), ("STAGES", "stages")):
        monkeypatch.setenv(f"VISIONLINE_{name}", str(lived.root / folder))
    monkeypatch.setenv("KUBECONFIG", str(lived.root / "kubeconfig"))
    return lived


def test_a_models_whole_life_on_kubernetes_is_that_of_a_models_life_here(places: Life) -> None:
    production = Context(load_stage("production"), run_folder("life"))
    versions = production.registry.versions(MODEL)
    assert [stage_tag(versions[number], "production") for number in (1, 2, 3)] == ["approved", "revoked", "revoked"]
    traffic = {name: Context(load_stage(name), run_folder("x")).target.status().traffic for name in ("dev", "qa")}
    assert (traffic, production.target.status().traffic) == ({"dev": {3: 100}, "qa": {3: 100}}, {1: 100})
    names = [f"{MODEL}-v1"]
    assert [one for one in places.clusters["production"].names("Deployment") if one.startswith(MODEL)] == names
    canary = json.loads((run_folder("life/v3") / "deploy.production.json").read_text())
    assert (canary["outcome"], canary["version"]) == ("reverted", 2)
    assert "live requests failed" in canary["verdict"]["reason"]
    assert [event["traffic"] for event in canary["events"]] == [{"2": 90, "3": 10}, {"2": 100}]
    batch = read_record(run_folder("life/batch"), "score.production", ScoreRecord)
    assert (batch.version, batch.files, batch.failed) == (1, IMAGES, 0)


def test_production_served_the_digests_that_qa_tested(places: Life) -> None:
    kept = {
        number: one.tags for number, one in Context(load_stage("qa"), run_folder("x")).registry.versions(MODEL).items()
    }
    found = places.clusters["production"].find("Deployment", f"{MODEL}-v1")["spec"]["template"]["spec"]
    assert found["containers"][0]["image"] == kept[1][image_tag("runtime")]
    assert [one["image"]["reference"] for one in found["volumes"] if "image" in one] == [kept[1][image_tag("model")]]


def test_the_cluster_s_token_is_told_nowhere(places: Life) -> None:
    told = [path.read_text() for path in run_folder("life").rglob("*.json")] + places.said
    assert told and not [text for text in told if TOKEN in text]
