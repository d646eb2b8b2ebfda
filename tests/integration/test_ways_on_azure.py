"""The stage files to copy, docs/ways, on a fake of Azure: as they are, but for how long a canary is watched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from azure_life import FOLDERS, MODEL, QUICK
from azurefake.certificates import Authority
from azurefake.fixture import OTHERS, complaints, forget_clients, running_azure
from azurefake.registries import add_registry
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from cluster_stages import images_of_digest
from evaluations import DATA_VERSION
from kubefake.cluster import Cluster, new_cluster, write_kubeconfig
from kubefake.runtimes import Runtimes
from trainings import trained

from mlops.adapters.azureml import registry as azure_registry
from mlops.cli import main
from mlops.config import REPOSITORY, load_stage
from mlops.context import Context, run_folder
from mlops.delivery.carried import carried
from mlops.names import STAGES, image_tag
from mlops.records import stage_tag

WAYS = REPOSITORY / "docs" / "ways"


@pytest.fixture
def azure(tmp_path: Path, azure_authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Put a fake Azure in place of the real one, and each file of ours into one folder."""
    forget_clients()
    (tmp_path / "azure").mkdir()
    with running_azure(tmp_path / "azure", azure_authority) as azure:
        for name in OTHERS:
            monkeypatch.delenv(name, raising=False)
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        for name, folder in FOLDERS.items():
            (tmp_path / folder).mkdir()
            monkeypatch.setenv(name, str(tmp_path / folder))
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setattr(azure_registry, "SETTLE_SECONDS", 0.0)
        yield azure
    forget_clients()
    assert complaints(azure) == []


def make_places(azure: Azure, way: Path, stages: Path) -> None:
    """Make what a way's stage files name, and write them where this process reads them."""
    for name in STAGES:
        content = yaml.safe_load((way / f"{name}.yaml").read_text(encoding="utf-8"))
        content["release"] = {**content.get("release", {}), **QUICK}
        (stages / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        place = load_stage(name).azureml
        workspace = add_workspace(azure, place.subscription, place.resource_group, place.workspace, f"{name}store")
        if place.registry:
            add_registry(azure, place.registry)
        if place.online.compute:
            attached = {"computeType": "Kubernetes", "provisioningState": "Succeeded"}
            azure.put(
                f"{workspace}/computes/{place.online.compute}", {"location": "westeurope", "properties": attached}
            )


def register(folder: Path) -> None:
    """Let version 1 into dev, as the job's node does."""
    made = trained(folder / "model1", 1, Context(load_stage("dev"), run_folder("way")))
    given = ("--package", str(made.package), "--evaluation", str(made.evaluation), "--data-version", DATA_VERSION)
    assert main(["register", "--stage", "dev", "--run", "way", *given]) == 0


@pytest.mark.parametrize("way", ["azure-ml", "bought-model"])
def test_a_version_goes_from_dev_to_production_by_the_stage_files_to_copy(
    azure: Azure, tmp_path: Path, way: str
) -> None:
    make_places(azure, WAYS / way, tmp_path / "stages")
    register(tmp_path)
    for stage, steps in (("dev", ["deploy"]), ("qa", ["promote", "deploy"]), ("production", ["promote", "deploy"])):
        assert [main([step, "--stage", stage, "--run", "way"]) for step in steps] == [0] * len(steps), stage
        context = Context(load_stage(stage), run_folder("way"))
        assert stage_tag(context.registry.versions(MODEL)[1], stage) == "approved"
        assert context.target.status().traffic == {1: 100}
    shared = azure.sent("POST", "/import")
    assert len(shared) == (1 if way == "azure-ml" else 0), "by the registry that stages share, or by a copy"


@pytest.fixture
def clusters(
    azure: Azure, runtimes: Runtimes, kubectl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Cluster]]:
    """Serve the clusters that the stage files' contexts lead to."""
    with new_cluster(runtimes).running() as qa, new_cluster(runtimes).running() as production:
        made = {"qa": qa, "production": production}
        monkeypatch.setenv("PATH", f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}")
        contexts = {f"vision-{name}": cluster for name, cluster in made.items()}
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", contexts)))
        yield made
        assert [(one.errors, one.kubelet.problems) for one in made.values()] == [([], [])] * 2


def package(stage: str, cluster: Cluster) -> None:
    """Leave behind what packaging does: tags that name images, and images in the stage's own registry."""
    context = Context(load_stage(stage), run_folder("way"))
    images = images_of_digest(context.registry.versions(MODEL)[1].digest)
    for kind, image in images.items():
        context.registry.set_tag(MODEL, 1, image_tag(kind), image)
    own = carried(context.stage, context.registry.versions(MODEL)[1])
    assert all(image.startswith(f"{context.stage.images.registry}/") for image in own.values())
    cluster.package(own["model"], context.package(1))


def test_a_version_of_a_shared_registry_serves_in_clusters_of_our_own(
    azure: Azure, clusters: dict[str, Cluster], tmp_path: Path
) -> None:
    make_places(azure, WAYS / "azure-ml-kubernetes", tmp_path / "stages")
    register(tmp_path)
    for stage, cluster in clusters.items():
        assert main(["promote", "--stage", stage, "--run", "way"]) == 0
        package(stage, cluster)
        assert main(["deploy", "--stage", stage, "--run", "way"]) == 0, stage
        context = Context(load_stage(stage), run_folder("way"))
        assert stage_tag(context.registry.versions(MODEL)[1], stage) == "approved"
        assert context.target.status().traffic == {1: 100}
    assert len(azure.sent("POST", "/import")) == 1, "the registry's version serves in both"
    assert not azure.sent("PUT", "/onlineEndpoints/")
