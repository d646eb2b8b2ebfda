"""A training's own steps read the stage files that it was submitted with, wherever those are: its code carries them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from azurefake.codes import files_of
from azurefake.jobs import plan
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure

from mlops.adapters.azureml.datastore import open_data_store
from mlops.cli import main
from mlops.config import REPOSITORY, STAGES_FOLDER, load_stage
from mlops.context import run_folder
from mlops.records import write_record

OWN_STEPS = ("champion", "register", "report")


def submitted(azure: Azure, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Submit the training by stage files of its own, and return the steps' components by name."""
    (folder / "raw").mkdir()
    (folder / "raw" / "images").write_text("pixels")
    stages = write_stages(folder / "stages", dev={"model": "my-model", "gates": {"min_accuracy": 0.5}})
    monkeypatch.setenv("VISIONLINE_STAGES", os.path.relpath(stages, REPOSITORY))
    write_record(run_folder("r1"), "data", open_data_store(azure_stage()).publish("stripes", folder / "raw"))
    assert main(["train", "--stage", "dev", "--run", "r1", "--no-wait"], print) == 0
    (steps,) = plan(azure).steps.values()
    return {step.name: step.component for step in steps}


def test_the_steps_that_run_mlops_find_the_stage_files_that_were_named(
    azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in STAGES_FOLDER.iterdir()}
    made = submitted(azure, tmp_path, monkeypatch)
    (code,) = {made[name]["code"] for name in OWN_STEPS}
    files, node = files_of(azure, code), tmp_path / "node"
    node.mkdir()
    for path in (one for one in files if one.startswith("mlops/stages/")):
        (node / Path(path).name).write_bytes(files[path])
    assert "mlops/steps/register.py" in files
    assert {path.name for path in node.iterdir()} == {"base.yaml", "dev.yaml", "qa.yaml", "production.yaml"}
    assert load_stage("dev", node) == load_stage("dev")
    assert load_stage("dev", node).model == "my-model"
    assert {path.name: path.read_bytes() for path in STAGES_FOLDER.iterdir()} == before
    assert not [path for path in files_of(azure, made["train"]["code"]) if "stages/" in path]
