"""The pipeline YAML as Azure ML's own SDK reads it, and as the local runner does: one file, one meaning."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.adapters.local.pipeline import load_component
from mlops.adapters.local.plan import make_plan
from mlops.snapshot import take_snapshot
from mlops.cli import parser
from mlops.config import REPOSITORY, load_stage
from mlops.names import JOB_FILE, STAGES
from mlops.steps.train import OWN_INPUTS

JOBS = sorted((REPOSITORY / "mlops" / "jobs").glob("*.yml"))
COMPONENTS = sorted((REPOSITORY / "mlops" / "jobs" / "components").glob("*.yml"))
TRAINING = REPOSITORY / JOB_FILE
OPTIONAL = ("frame_size", "origin")
GIVEN = {"raw": str(REPOSITORY), "data_version": "0123456789abcdef", "git_commit": "c0ffee", "stage": "dev"}


@pytest.fixture(scope="module")
def sdk() -> Iterator[Any]:
    """Azure ML's SDK, imported for these tests alone: it takes seconds."""
    import azure.ai.ml

    yield azure.ai.ml


def name(path: Path) -> str:
    return path.stem


def content(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("file", COMPONENTS, ids=name)
def test_azure_ml_reads_the_component_and_drops_none_of_its_keys(sdk: Any, file: Path) -> None:
    read, written = sdk.load_component(file)._to_dict(), content(file)
    assert set(written) - set(read) == set()
    for part in ("inputs", "outputs"):
        assert {key: set(value) for key, value in written[part].items()} == {k: set(v) for k, v in read[part].items()}


@pytest.mark.parametrize("file", JOBS, ids=name)
def test_azure_ml_binds_the_steps_as_the_file_says(sdk: Any, file: Path) -> None:
    job, written = sdk.load_job(file), content(file)["jobs"]
    assert set(job.jobs) == set(written)
    for step, node in written.items():
        read = job.jobs[step]._to_dict()
        bound = {key: value["path"] if isinstance(value, dict) else value for key, value in read["inputs"].items()}
        assert bound == node["inputs"]
        assert read.get("environment_variables", {}) == node.get("environment_variables", {})


def test_azure_ml_starts_training_in_two_processes(sdk: Any) -> None:
    train = sdk.load_job(TRAINING).jobs["train"]._to_dict()
    assert train["distribution"] == {"type": "pytorch", "process_count_per_instance": 2}
    assert train["resources"] == {"instance_count": 1}


def test_azure_ml_takes_the_job_without_its_optional_inputs(sdk: Any) -> None:
    job = sdk.load_job(TRAINING, params_override=[{"inputs.raw.path": "azureml:fashion-mnist:1"}])
    for optional in OPTIONAL:
        del job.inputs[optional]
        for node in job.jobs.values():
            if optional in node.inputs:
                del node.inputs[optional]
    assert job._validate().passed


@pytest.mark.parametrize("folder", sorted({(f.parent / content(f)["code"]).resolve() for f in COMPONENTS}), ids=str)
def test_azure_ml_uploads_the_code_that_the_local_runner_runs(sdk: Any, folder: Path) -> None:
    from azure.ai.ml._utils._asset_utils import get_ignore_file

    # The SDK walks everything beneath, a virtual environment too; what its rules keep is the same without that walk.
    skipped = {".git", ".venv", ".visionline", "runs", "__pycache__"}
    ignore, kept = get_ignore_file(folder), set()
    for place, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if one not in skipped]
        paths = [Path(place) / one for one in files]
        kept |= {path.relative_to(folder).as_posix() for path in paths if not ignore.is_file_excluded(path)}
    assert kept == set(take_snapshot(folder).files)


def test_the_code_of_each_wing_is_its_own() -> None:
    trained, registered = (set(take_snapshot(REPOSITORY / place).files) for place in ("src", "."))
    assert {path.split("/")[0] for path in trained} == {".amlignore", "modelpackage", "vision"}
    assert {"/".join(path.split("/")[:2]) for path in registered if path.startswith("src/")} == {"src/modelpackage"}
    assert {path.split("/")[0] for path in registered} == {"mlops", "src"}


def test_the_training_steps_stand_in_their_order() -> None:
    before = make_plan(TRAINING, GIVEN).before()
    assert list(before) == ["prepare", "train", "champion", "export", "evaluate", "register", "report"]
    assert before["evaluate"] == {"prepare", "champion", "export"}
    assert before["register"] == {"export", "evaluate"}
    assert before["report"] == {"register", "evaluate"}


def test_only_what_asks_or_tells_others_is_never_reused() -> None:
    steps = make_plan(TRAINING, GIVEN).steps.values()
    assert [step.name for step in steps if not step.is_deterministic] == ["champion", "register", "report"]


def test_the_clip_takes_over_the_prepared_data_of_the_training() -> None:
    seeds = {file: content(file)["inputs"]["seed"] for file in JOBS}
    assert len(set(seeds.values())) == 1, seeds
    clip = make_plan(TRAINING.with_name("stream.yml"), {"raw": GIVEN["raw"]})
    assert clip.steps["prepare"] == make_plan(TRAINING, GIVEN).steps["prepare"]


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_gives_the_training_job_inputs_that_it_takes(stage: str) -> None:
    settings = {key: str(value) for key, value in load_stage(stage).train.items()}
    make_plan(TRAINING, {**settings, **GIVEN})
    assert set(settings) & set(OWN_INPUTS) == set()


def test_the_optional_inputs_are_the_ones_that_may_be_left_out() -> None:
    declared = [load_component(file) for file in COMPONENTS]
    assert {key for one in declared for key, value in one.inputs.items() if value.optional} == set(OPTIONAL)


@pytest.mark.parametrize("file", COMPONENTS, ids=name)
def test_each_environment_is_a_folder_with_requirements(file: Path) -> None:
    assert (REPOSITORY / "environments" / load_component(file).runtime / "requirements.txt").is_file()


@pytest.mark.parametrize("file", COMPONENTS, ids=name)
def test_each_flag_of_a_command_is_one_that_its_module_takes(file: Path) -> None:
    command = content(file)["command"]
    module, flags = command.split()[2], set(re.findall(r"--[a-z-]+", command))
    if module == "mlops":
        assert flags <= _flags_of_step(command.split()[3])
        return
    source = (REPOSITORY / "src" / Path(*module.split("."))).with_suffix(".py").read_text()
    assert {flag for flag in flags if f'"{flag}"' not in source} == set()


def _flags_of_step(step: str) -> set[str]:
    steps = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return set(steps.choices[step]._option_string_actions)
