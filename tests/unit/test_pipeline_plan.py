"""What the local runner takes of a pipeline's YAML, and that it refuses the rest before anything runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipelines import Workshop, make_workshop

from mlops.adapters.local.plan import Plan, make_plan
from mlops.errors import ConfigError
from mlops.jobfile.bindings import FromStep

FOLDER = {"type": "uri_folder"}
TRAIN_INPUTS = {
    "data": FOLDER,
    "epochs": {"type": "integer", "min": 1, "max": 9},
    "rate": {"type": "number", "default": 0.5},
    "network": {"type": "string", "enum": ["cnn", "vit"], "default": "cnn"},
    "champion": {"type": "uri_folder", "optional": True},
}
TRAIN = (
    "python -m tiny --data ${{inputs.data}} --epochs ${{ inputs.epochs }} --rate ${{inputs.rate}} "
    "--network ${{inputs.network}} $[[--champion ${{inputs.champion}}]] --out ${{outputs.model}}"
)
JOBS: dict[str, Any] = {
    "prepare": {"inputs": {"raw": "${{parent.inputs.raw}}"}},
    "train": {
        "inputs": {
            "data": "${{parent.jobs.prepare.outputs.data}}",
            "epochs": "${{parent.inputs.epochs}}",
            "champion": "${{parent.inputs.champion}}",
        },
        "outputs": {"model": "${{parent.outputs.model}}"},
    },
}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A pipeline of two steps that is right in all its parts."""
    shop = make_workshop(tmp_path / "shop")
    shop.component(
        "prepare", "python -m tiny ${{inputs.raw}} ${{outputs.data}}", inputs={"raw": FOLDER}, outputs={"data": FOLDER}
    )
    shop.component("train", TRAIN, inputs=TRAIN_INPUTS, outputs={"model": FOLDER})
    inputs = {"raw": FOLDER, "epochs": 3, "champion": FOLDER}
    shop.job(copy.deepcopy(JOBS), inputs=inputs, outputs={"model": FOLDER})
    (tmp_path / "raw").mkdir()
    return shop


def plan(workshop: Workshop, **given: str) -> Plan:
    return make_plan(workshop.job_file, {"raw": str(workshop.folder.parent / "raw"), **given})


def change(path: Path, *keys: str, value: Any) -> None:
    """Set one key of a YAML file."""
    content = yaml.safe_load(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = value
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def refusal(workshop: Workshop, **given: str) -> str:
    """Return the message with which the pipeline is refused; it is one line."""
    with pytest.raises(ConfigError) as caught:
        plan(workshop, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_values_come_from_the_caller_the_job_and_the_component(workshop: Workshop) -> None:
    train = plan(workshop).steps["train"]
    assert train.literals == {"epochs": "3", "rate": "0.5", "network": "cnn"}
    assert train.upstream == {"data": FromStep("prepare", "data")}
    assert plan(workshop, epochs="5").steps["train"].literals["epochs"] == "5"


def test_a_folder_of_the_caller_is_an_absolute_path(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workshop.folder.parent)
    assert plan(workshop, raw="raw").steps["prepare"].folders == {"raw": workshop.folder.parent / "raw"}


def test_an_optional_input_without_a_value_leaves_its_flag_out(workshop: Workshop) -> None:
    assert "--champion" not in plan(workshop).steps["train"].command
    given = plan(workshop, champion=str(workshop.folder)).steps["train"].command
    assert given[given.index("--champion") + 1] == "${{inputs.champion}}"


def test_an_empty_string_is_no_value(workshop: Workshop) -> None:
    assert "inputs.epochs: has no value, and step 'train' needs it" in refusal(workshop, epochs="")
    assert plan(workshop, champion="").steps["train"].folders == {}


def test_outputs_name_the_step_that_makes_them(workshop: Workshop) -> None:
    assert plan(workshop).outputs == {"model": FromStep("train", "model")}
    assert plan(workshop).before() == {"prepare": set(), "train": {"prepare"}}


def test_a_distributed_step_has_its_processes(workshop: Workshop) -> None:
    change(workshop.folder / "train.yml", "distribution", value={"type": "pytorch", "process_count_per_instance": 2})
    change(workshop.folder / "train.yml", "resources", value={"instance_count": 1})
    assert [step.processes for step in plan(workshop).steps.values()] == [None, 2]


UNKNOWN_KEYS = [
    ("job.yml", ("schedule",)),
    ("job.yml", ("settings", "default_computer")),
    ("job.yml", ("inputs", "raw", "mood")),
    ("job.yml", ("outputs", "model", "mood")),
    ("job.yml", ("jobs", "train", "limits")),
    ("train.yml", ("environment_variables",)),
    ("train.yml", ("inputs", "epochs", "maximum")),
    ("train.yml", ("outputs", "model", "mood")),
    ("train.yml", ("distribution", "process_count")),
    ("train.yml", ("resources", "shm_size")),
]


@pytest.mark.parametrize("file, keys", UNKNOWN_KEYS, ids=lambda value: ".".join(value) if value else "")
def test_an_unknown_key_is_refused_with_file_and_key(workshop: Workshop, file: str, keys: tuple[str, ...]) -> None:
    change(workshop.folder / file, *keys, value={})
    message = refusal(workshop)
    assert message.startswith(str(workshop.folder / file)) and f"unknown key '{keys[-1]}'" in message


BAD_JOBS: list[tuple[tuple[str, ...], Any, str]] = [
    (("type",), "sweep", "type: 'sweep' does not run here"),
    (("jobs", "train", "type"), "sweep", "jobs.train.type: 'sweep' does not run here"),
    (("jobs", "train", "component"), "absent.yml", "absent.yml: cannot be read"),
    (("inputs", "raw", "type"), "mltable", "inputs.raw: type: 'mltable' does not run here"),
    (("inputs", "epochs"), True, "inputs.epochs: should be a string, a number or a folder"),
    (("inputs", "epochs"), None, "inputs.epochs: should be a string, a number or a folder"),
    (("outputs", "model", "type"), "uri_file", "outputs.model.type: 'uri_file' does not run here"),
    (("outputs", "extra"), FOLDER, "outputs.extra: no step makes it"),
    (("jobs", "train", "inputs", "epoch"), "3", "jobs.train.inputs.epoch: "),
    (("jobs", "train", "inputs", "epochs"), "${{parent.inputs.epoch}}", "the job has no input 'epoch'"),
    (("jobs", "train", "inputs", "epochs"), "${{inputs.epochs}}", "unknown binding '${{inputs.epochs}}'"),
    (("jobs", "train", "inputs", "epochs"), "3${{parent.inputs.epochs}}", "unknown binding '3${{parent"),
    (("jobs", "train", "inputs", "epochs"), "${{parent.inputs.raw}}", "input 'raw' is uri_folder, should be integer"),
    (("jobs", "train", "inputs", "data"), "${{parent.inputs.epochs}}", "is a literal, should be uri_folder"),
    (
        ("jobs", "train", "inputs", "data"),
        "${{parent.jobs.prepar.outputs.data}}",
        "no step makes 'prepar.outputs.data'",
    ),
    (
        ("jobs", "train", "inputs", "data"),
        "${{parent.jobs.prepare.outputs.dat}}",
        "no step makes 'prepare.outputs.dat'",
    ),
    (("jobs", "train", "inputs", "epochs"), "${{parent.jobs.prepare.outputs.data}}", "is a folder, should be integer"),
    (("jobs", "train", "inputs", "data"), "/nowhere", "jobs.train.inputs.data: '/nowhere' is not a folder"),
    (("jobs", "train", "inputs", "epochs"), "abc", "jobs.train.inputs.epochs: should be integer, is 'abc'"),
    (("jobs", "train", "inputs", "rate"), "nan", "jobs.train.inputs.rate: should be number, is 'nan'"),
    (("jobs", "train", "inputs", "rate"), [1], "jobs.train.inputs.rate: should be number, is [1]"),
    (("jobs", "train", "outputs", "model"), "${{parent.output.model}}", "unknown binding '${{parent.output.model}}'"),
    (("jobs", "train", "outputs", "model"), "${{parent.outputs.modl}}", "the job has no output 'modl'"),
    (("jobs", "train", "outputs", "modl"), "${{parent.outputs.model}}", "declares no such output"),
    (("jobs", "prepare", "outputs", "data"), "${{parent.outputs.model}}", "is bound to step 'prepare' already"),
]


@pytest.mark.parametrize("keys, value, reason", BAD_JOBS, ids=[reason for _, _, reason in BAD_JOBS])
def test_a_wrong_job_is_refused_with_file_and_key(
    workshop: Workshop, keys: tuple[str, ...], value: Any, reason: str
) -> None:
    change(workshop.job_file, *keys, value=value)
    message = refusal(workshop)
    assert reason in message and message.startswith(str(workshop.folder))


BAD_COMPONENTS: list[tuple[tuple[str, ...], Any, str]] = [
    (("type",), "pipeline", "type: 'pipeline' does not run here"),
    (("inputs", "epochs", "type"), "boolean", "inputs.epochs.type: 'boolean' does not run here"),
    (("inputs", "extra"), {"type": "integer"}, "jobs.train.inputs.extra: has no value, and step 'train' needs it"),
    (("environment",), "azureml:visionline-train@latest", "environment: 'azureml:visionline-train@latest' should be"),
    (("code",), "absent", "code: 'absent' is not a folder"),
    (("distribution",), {"type": "mpi", "process_count_per_instance": 2}, "distribution.type: 'mpi' does not run"),
    (("distribution",), {"type": "pytorch", "process_count_per_instance": 0}, "should be at least 1, is 0"),
    (("resources",), {"instance_count": 2}, "resources.instance_count: is 2, but this machine is one node"),
    (("command",), "python ${{inputs.epoch}}", "command: unknown binding '${{inputs.epoch}}'"),
    (("command",), "python ${{outputs.modl}}", "command: unknown binding '${{outputs.modl}}'"),
    (("command",), "python ${{parent.inputs.epochs}}", "command: unknown binding '${{parent.inputs.epochs}}'"),
    (("command",), "python ${{inputs.champion}}", "command: input 'champion' may have no value"),
    (("command",), "python a.py && python b.py", "command: '&&' needs a shell"),
    (("command",), "python a.py > log", "command: '>' needs a shell"),
    (("command",), "python $HOME/a.py", "command: '$HOME/a.py' needs a shell"),
    (("command",), "python 'a.py", "command: cannot be split into arguments"),
    (("command",), " ", "command: is empty"),
]


@pytest.mark.parametrize("keys, value, reason", BAD_COMPONENTS, ids=[reason for _, _, reason in BAD_COMPONENTS])
def test_a_wrong_component_is_refused_with_file_and_key(
    workshop: Workshop, keys: tuple[str, ...], value: Any, reason: str
) -> None:
    change(workshop.folder / "train.yml", *keys, value=value)
    message = refusal(workshop)
    assert reason in message and message.startswith(str(workshop.folder))


@pytest.mark.parametrize("command", ["bash train.sh", "python -u train.py", "python"])
def test_a_distributed_step_that_torchrun_cannot_start_is_refused(workshop: Workshop, command: str) -> None:
    distribution = {"type": "pytorch", "process_count_per_instance": 2}
    workshop.component("train", command, inputs=TRAIN_INPUTS, outputs={"model": FOLDER}, distribution=distribution)
    assert "a distributed step starts with" in refusal(workshop)


BAD_INPUTS = [
    ({"epoch": "3"}, "inputs.epoch: is no input of this job: it has raw, epochs, champion"),
    ({"epochs": "abc"}, "inputs.epochs: should be integer, is 'abc'"),
    ({"epochs": "3.0"}, "inputs.epochs: should be integer, is '3.0'"),
    ({"epochs": "0"}, "inputs.epochs: should be between 1.0 and 9.0, is 0"),
    ({"epochs": "10"}, "inputs.epochs: should be between 1.0 and 9.0, is 10"),
    ({"raw": "/nowhere"}, "inputs.raw: '/nowhere' is not a folder"),
    ({"raw": ""}, "inputs.raw: has no value, and step 'prepare' needs it"),
]


@pytest.mark.parametrize("given, reason", BAD_INPUTS, ids=[reason for _, reason in BAD_INPUTS])
def test_a_wrong_input_of_the_caller_is_refused(workshop: Workshop, given: dict[str, str], reason: str) -> None:
    assert f"{workshop.job_file}: {reason}" in refusal(workshop, **given)


def test_a_value_outside_the_enumeration_is_refused(workshop: Workshop) -> None:
    change(workshop.job_file, "jobs", "train", "inputs", "network", value="rnn")
    assert "jobs.train.inputs.network: should be one of cnn, vit, is 'rnn'" in refusal(workshop)


def test_a_cycle_is_named(workshop: Workshop) -> None:
    change(workshop.job_file, "jobs", "prepare", "inputs", "raw", value="${{parent.jobs.train.outputs.model}}")
    assert "prepare -> train -> prepare" in refusal(workshop) or "train -> prepare -> train" in refusal(workshop)


def test_a_step_that_waits_for_itself_is_a_cycle(workshop: Workshop) -> None:
    change(workshop.job_file, "jobs", "train", "inputs", "data", value="${{parent.jobs.train.outputs.model}}")
    assert "train -> train" in refusal(workshop)


@pytest.mark.parametrize("content", [b"jobs: [", b"jobs: 2024-02-30", "# für\n".encode("latin-1")])
def test_what_is_no_yaml_is_refused(workshop: Workshop, content: bytes) -> None:
    workshop.job_file.write_bytes(content)
    assert f"{workshop.job_file}: is not YAML" in refusal(workshop)


def test_what_is_no_mapping_is_refused(workshop: Workshop) -> None:
    workshop.job_file.write_text("- jobs")
    assert f"{workshop.job_file}: should be a mapping" in refusal(workshop)
