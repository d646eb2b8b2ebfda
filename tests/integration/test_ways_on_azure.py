"""The stage files to copy, docs/ways, on a fake of Azure: as they are, but for how long a canary is watched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from azure_life import FOLDERS, MODEL, QUICK, exported
from azurefake.certificates import Authority
from azurefake.fixture import OTHERS, complaints, forget_clients, running_azure
from azurefake.registries import add_registry
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from evaluations import DATA_VERSION

from mlops.adapters.azureml import registry as azure_registry
from mlops.cli import main
from mlops.config import REPOSITORY, load_stage
from mlops.context import Context, run_folder
from mlops.names import STAGES
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


@pytest.mark.parametrize("way", ["azure-ml", "bought-model"])
def test_a_version_goes_from_dev_to_production_by_the_stage_files_to_copy(
    azure: Azure, tmp_path: Path, way: str
) -> None:
    make_places(azure, WAYS / way, tmp_path / "stages")
    made = exported(tmp_path / "model1", 1, Context(load_stage("dev"), run_folder("way")))
    given = ("--package", str(made.package), "--evaluation", str(made.evaluation), "--data-version", DATA_VERSION)
    assert main(["register", "--stage", "dev", "--run", "way", *given]) == 0
    for stage, steps in (("dev", ["deploy"]), ("qa", ["promote", "deploy"]), ("production", ["promote", "deploy"])):
        assert [main([step, "--stage", stage, "--run", "way"]) for step in steps] == [0] * len(steps), stage
        context = Context(load_stage(stage), run_folder("way"))
        assert stage_tag(context.registry.versions(MODEL)[1], stage) == "approved"
        assert context.target.status().traffic == {1: 100}
    shared = azure.sent("POST", "/import")
    assert len(shared) == (1 if way == "azure-ml" else 0), "by the registry that stages share, or by a copy"
