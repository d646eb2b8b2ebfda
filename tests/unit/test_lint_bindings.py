"""Lint finds each binding of a pipeline that leads nowhere, and each value that a component would not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azureml_files import Place, make_place

FOLDER = {"type": "uri_folder"}
TRAIN, LIST = ("jobs", "train"), ("jobs", "list")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


BAD: list[tuple[tuple[str, ...], Any, str]] = [
    ((*TRAIN, "inputs", "epochs"), "${{parent.inputs.epoch}}", "epochs: the job has no input 'epoch'"),
    ((*TRAIN, "inputs", "epochs"), "${{inputs.epochs}}", "unknown binding '${{inputs.epochs}}'"),
    ((*TRAIN, "inputs", "epoch"), 3, "components/train.yml declares no such input: it declares data, epochs"),
    ((*TRAIN, "inputs", "data"), None, "jobs.train.inputs.data: is not bound, and components/train.yml needs it"),
    ((*TRAIN, "inputs", "data"), "${{parent.inputs.epochs}}", "input 'epochs' is a literal, should be uri_folder"),
    ((*TRAIN, "inputs", "epochs"), "many", "jobs.train.inputs.epochs: should be integer, is 'many'"),
    ((*TRAIN, "inputs", "epochs"), 0, "jobs.train.inputs.epochs: should be between 1"),
    ((*TRAIN, "inputs", "epochs"), True, "jobs.train.inputs.epochs: should be integer, is True"),
    ((*TRAIN, "inputs", "network"), "resnet", "jobs.train.inputs.network: should be one of cnn, vit"),
    ((*TRAIN, "inputs", "rate"), "fast", "jobs.train.inputs.rate: should be number, is 'fast'"),
    (("inputs", "epochs"), "many", "inputs.epochs: should be integer, is 'many'"),
    ((*LIST, "inputs", "model"), "${{parent.jobs.trian.outputs.model}}", "no step makes 'trian.outputs.model'"),
    ((*LIST, "inputs", "model"), "${{parent.jobs.train.outputs.modl}}", "no step makes 'train.outputs.modl'"),
    ((*LIST, "inputs", "model", "path"), "${{parent.inputs.row}}", "the job has no input 'row'"),
    ((*TRAIN, "inputs", "data"), "${{parent.jobs.list.outputs.names}}", "waits for the one before it: cut the cycle"),
    (
        (*TRAIN, "outputs", "model"),
        "${{parent.outputs.modl}}",
        "jobs.train.outputs.model: the job has no output 'modl'",
    ),
    ((*TRAIN, "outputs", "modl"), "${{parent.outputs.more}}", "train.yml declares no such output: it declares model"),
    ((*LIST, "outputs", "names"), "${{parent.outputs.model}}", "output 'model' is bound to step 'train' already"),
    (("outputs", "more"), FOLDER, "outputs.more: no step makes it"),
]


def test_files_that_are_right_are_found_so(place: Place) -> None:
    assert place.findings() == []


@pytest.mark.parametrize("keys, value, says", BAD, ids=[says for _, _, says in BAD])
def test_a_wrong_binding_is_found(place: Place, keys: tuple[str, ...], value: Any, says: str) -> None:
    place.change("pipeline.yml", *keys, value=value)
    place.refusal("pipeline.yml", says)


def test_a_wrong_binding_is_shown_at_its_own_line(place: Place) -> None:
    place.replace("pipeline.yml", "${{parent.inputs.epochs}}", "${{parent.inputs.epoch}}")
    assert place.refusal("pipeline.yml", "no input 'epoch'").line == place.line("pipeline.yml", "inputs.epoch}}")


def test_the_value_of_a_pipelines_own_input_is_shown_where_it_stands(place: Place) -> None:
    place.replace("pipeline.yml", "epochs: 3", "epochs: many")
    assert place.refusal("pipeline.yml", "inputs.epochs").line == place.line("pipeline.yml", "epochs: many")


def test_an_empty_value_is_one_to_be_given_later(place: Place) -> None:
    place.change("pipeline.yml", "inputs", "epochs", value="")
    assert place.findings() == []


def test_all_wrong_bindings_are_found_at_once(place: Place) -> None:
    for name in ("data", "epochs"):
        place.change("pipeline.yml", *TRAIN, "inputs", name, value="${{parent.inputs.nothing}}")
    assert len(place.findings()) == 2


def test_steps_of_a_pipeline_component_are_looked_at_too(place: Place) -> None:
    place.change("component-of-steps.yml", *TRAIN, "inputs", "data", value="${{parent.inputs.row}}")
    place.refusal("component-of-steps.yml", "the job has no input 'row'")


def test_a_file_is_no_folder(place: Place) -> None:
    place.change("pipeline.yml", "inputs", "raw", "type", value="uri_file")
    place.refusal("pipeline.yml", "input 'raw' is uri_file, should be uri_folder")


def test_a_component_that_stands_in_a_workspace_may_declare_anything(place: Place) -> None:
    place.change("pipeline.yml", *TRAIN, "component", value="azureml:train:1")
    place.change("pipeline.yml", *TRAIN, "inputs", "anything", value="many")
    assert place.findings() == []


def test_a_component_that_is_written_in_the_step_is_held_to_the_same(place: Place) -> None:
    inline = {"type": "command", "command": "ls ${{inputs.x}}", "environment": "azureml:visionline-train:1"}
    component = {**inline, "inputs": {"x": {"type": "integer"}}, "outputs": {"model": FOLDER}}
    place.change("pipeline.yml", *TRAIN, "component", value=component)
    place.change("pipeline.yml", *TRAIN, "inputs", value={"x": "many", "y": 1})
    place.refusal("pipeline.yml", "jobs.train.inputs.x: should be integer, is 'many'")
    place.refusal("pipeline.yml", "jobs.train.inputs.y: the component declares no such input")


def test_a_default_that_the_component_itself_would_not_take_is_found(place: Place) -> None:
    place.change("components/train.yml", "inputs", "epochs", "default", value=0)
    place.refusal("components/train.yml", "inputs.epochs.default: should be between 1")
