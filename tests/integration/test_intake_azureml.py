"""The second way through: a model from elsewhere, taken in, registered and served by (a fake of) Azure ML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azurefake.stages import write_stages
from azurefake.state import Azure
from foreign_models import Foreign, contract_of, make_foreign, make_images, write_contract

from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.records import DataRecord, read_record

OLD = Foreign(opset=9, batch=1, weights_are_inputs=True, reshape="Reshape")
DEV: dict[str, Any] = {
    "target": "azureml-online",
    "gates": {
        "min_test_images": 30,
        "max_int8_loss": 0.1,
        "devices": {"cpu": {"max_latency_ratio": 1e6, "max_int8_latency_ratio": 1e6, "max_package_mb": 8}},
    },
    "release": {"verify": {"requests": 2, "max_latency_ratio": 1e6}},
}


@pytest.fixture
def stages(azure: Azure, own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the stages at the fake's workspace, and return a folder with images."""
    monkeypatch.setenv("VISIONLINE_STAGES", str(write_stages(own_platform / "stages", dev=DEV)))
    make_images(own_platform / "images")
    return own_platform


def handed_in(folder: Path, **changes: Any) -> list[str]:
    """Write a model and its contract, and return the flags that hand them in."""
    data = {"data": {"name": "colours", "folder": "images"}} | changes
    contract = write_contract(folder / "contract.yaml", contract_of(OLD, **data))
    return ["--model", str(make_foreign(folder / "model.onnx", OLD)), "--contract", str(contract)]


def test_a_model_from_elsewhere_is_registered_and_served_by_azure_ml(azure: Azure, stages: Path) -> None:
    assert main(["intake", "--run", "one", *handed_in(stages)]) == 0
    assert main(["deploy", "--run", "one"]) == 0
    assert main(["verify", "--run", "one"]) == 0
    context = Context(load_stage("dev"), Path("unused"))
    assert set(context.registry.versions("fashion-classifier")) == {1}
    assert context.target.status().traffic == {1: 100}
    data = read_record(stages / "runs" / "one", "data", DataRecord)
    assert data.path == f"azureml:colours:{data.version}"


def test_a_version_that_is_in_the_workspace_alone_has_to_be_named_by_its_folder(
    azure: Azure, stages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["intake", "--run", "one", *handed_in(stages)]) == 0
    version = read_record(stages / "runs" / "one", "data", DataRecord).version
    assert main(["intake", "--run", "two", *handed_in(stages, data={"name": "colours", "version": version})]) == 1
    assert f"colours {version} is not on this machine: name its folder instead" in capsys.readouterr().err
