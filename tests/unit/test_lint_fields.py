"""Lint finds the fields that Azure ML's SDK drops in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from azureml_files import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


BAD = [
    ("components/train.yml", ("comand",), "comand: unknown field, which Azure ML drops in silence: write command"),
    ("components/train.yml", ("mood",), "mood: unknown field, which Azure ML drops in silence: known are $schema"),
    ("components/train.yml", ("environment_variables",), "a component's variables are dropped: set them on the step"),
    ("components/train.yml", ("resources", "instance_cout"), "resources.instance_cout: unknown field"),
    ("components/train.yml", ("distribution", "process_count"), "write process_count_per_instance"),
    ("component-of-steps.yml", ("settings",), "settings: unknown field"),
    ("component-of-steps.yml", ("jobs", "train", "imputs"), "jobs.train.imputs: unknown field"),
    ("pipeline.yml", ("settings", "default_computer"), "settings.default_computer: unknown field"),
    ("pipeline.yml", ("settings", "continue_on_failure"), "settings.continue_on_failure: unknown field"),
    ("pipeline.yml", ("jobs", "train", "enviroment_variables"), "write environment_variables"),
    ("weekly.yml", ("create_job", "settings", "default_computer"), "create_job.settings.default_computer: unknown"),
]


@pytest.mark.parametrize("file, keys, says", BAD, ids=[".".join(keys) for _, keys, _ in BAD])
def test_a_field_that_nobody_reads_is_found(place: Place, file: str, keys: tuple[str, ...], says: str) -> None:
    place.change(file, *keys, value="x")
    assert place.refusal(file, says).line == place.line(file, f"{keys[-1]}: x")


def test_names_of_the_users_own_choice_are_no_fields(place: Place) -> None:
    place.change("pipeline.yml", "jobs", "train", "environment_variables", "MOOD", value="good")
    place.change("command.yml", "inputs", "mood", value="good")
    assert place.findings() == []


@pytest.mark.parametrize("file", ["mlops/jobs/deep/steps.yml", "mlops/jobs/one.yaml"])
def test_a_job_file_without_a_schema_is_found(place: Place, file: str) -> None:
    path = place.folder / file
    path.parent.mkdir(parents=True)
    path.write_text("type: pipeline\njobs: {}\n")
    assert place.refusal(file, "has no $schema of Azure ML's: begin it with").line == 1


def test_a_schema_that_nobody_knows_is_found(place: Place) -> None:
    place.replace("data.yml", "data.schema.json", "dta.schema.json")
    assert place.refusal("data.yml", "$schema 'dta' is unknown here: use one of pipelineJob").line == 1
