"""Lint beside Azure ML's own SDK: what the SDK misses lint refuses, what it refuses lint shows, and both know the same.

Where a test here fails after an upgrade of azure-ai-ml, the SDK has learnt to check something or has new fields.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azureml_files import FILES, Place, make_place, make_staged_place

from mlops.adapters.azureml.validation import AzureValidator
from mlops.context import validator
from mlops.jobfile.timezones import TIME_ZONES
from mlops.lint.fields import DISTRIBUTIONS, FIELDS, RESOURCES, SETTINGS
from mlops.lint.kinds import KINDS

SDK = AzureValidator()
TRAIN, LIST = ("jobs", "train"), ("jobs", "list")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def objections(place: Place, file: str) -> list[str]:
    """Return what the SDK alone says of a file."""
    content = yaml.safe_load((place.folder / file).read_text())
    return [one.text for one in SDK.objections(place.folder / file, FILES[file][0], content.get("type"))]


# What the SDK loads and validates without a word.
MISSED: list[tuple[str, tuple[str, ...], Any, str]] = [
    ("pipeline.yml", (*TRAIN, "inputs", "epochs"), "${{parent.inputs.epoch}}", "the job has no input 'epoch'"),
    ("pipeline.yml", (*TRAIN, "inputs", "mood"), 3, "declares no such input"),
    ("pipeline.yml", (*TRAIN, "inputs", "data"), "${{parent.jobs.list.outputs.names}}", "cut the cycle"),
    ("pipeline.yml", ("settings", "default_computer"), "x", "settings.default_computer: unknown field"),
    ("pipeline.yml", (*TRAIN, "mood"), 1, "jobs.train.mood: unknown field"),
    ("pipeline.yml", (*TRAIN, "inputs", "epochs"), "many", "should be integer"),
    ("pipeline.yml", ("inputs", "epochs"), "many", "should be integer"),
    ("pipeline.yml", (*TRAIN, "inputs", "data"), "${{parent.inputs.epochs}}", "is a literal, should be uri_folder"),
    ("pipeline.yml", (*TRAIN, "outputs", "model"), "${{parent.outputs.modl}}", "the job has no output 'modl'"),
    ("pipeline.yml", ("outputs", "more"), {"type": "uri_folder"}, "no step makes it"),
    ("pipeline.yml", (*TRAIN, "resources", "instance_count"), -1, "is -1: write 1 or more"),
    ("pipeline.yml", ("settings", "default_compute"), "azureml:absent", "'absent' is no cluster"),
    ("components/train.yml", ("mood",), 1, "mood: unknown field"),
    ("components/train.yml", ("environment_variables",), {"A": "b"}, "a component's variables are dropped"),
    ("components/train.yml", ("distribution", "process_count"), 2, "unknown field"),
    ("components/train.yml", ("resources", "mood"), 2, "unknown field"),
    ("components/train.yml", ("resources", "instance_count"), -1, "is -1: write 1 or more"),
    ("components/train.yml", ("command",), "ls ${{inputs.rate}}", "input 'rate' may have no value"),
    ("components/train.yml", ("environment",), "azureml:visionline-absent:1", "has no folder under environments/"),
    ("command.yml", ("command",), "ls ${{outputs.x}}", "unknown binding '${{outputs.x}}'"),
    ("command.yml", ("command",), "ls ${{inputs.x}}", "unknown binding '${{inputs.x}}'"),
    ("command.yml", ("compute",), None, "compute: is missing"),
    ("command.yml", ("resources", "instance_count"), -1, "is -1: write 1 or more"),
    ("command.yml", ("resources", "shm_size"), "lots", "'lots' is no size"),
    ("sweep.yml", ("compute",), None, "compute: is missing"),
    ("kubernetes-endpoint.yml", ("compute",), None, "compute: is missing"),
    ("managed.yml", ("instance_count",), -1, "is -1: write 1 or more"),
    ("managed.yml", ("code_configuration", "code"), "./absent", "is not there"),
    ("kubernetes.yml", ("instance_count",), -1, "is -1: write 1 or more"),
    ("kubernetes.yml", ("resources", "requests", "cpu"), "half", "'half' is no Kubernetes quantity"),
    ("batch.yml", ("resources", "instance_count"), -1, "is -1: write 1 or more"),
    ("compute.yml", ("max_instances",), -1, "is -1: write 1 or more"),
    ("data.yml", ("path",), "./absent", "is not there"),
    ("nightly.yml", ("trigger", "expression"), "0 99 * * *", "hour '99' is not in 0-23"),
    ("nightly.yml", ("trigger", "time_zone"), "Mars", "time_zone 'Mars' is unknown"),
    ("weekly.yml", ("trigger", "schedule", "hours"), [99], "99 is not in 0-23"),
    ("weekly.yml", ("create_job", "inputs", "epoch"), 3, "has no such input"),
    ("weekly.yml", ("create_job", "settings", "default_computer"), "x", "unknown field"),
]


@pytest.mark.parametrize("file, keys, value, says", MISSED, ids=[f"{f} {'.'.join(k)}" for f, k, _, _ in MISSED])
def test_what_the_sdk_misses_lint_refuses(
    tmp_path: Path, file: str, keys: tuple[str, ...], value: Any, says: str
) -> None:
    place = make_staged_place(tmp_path)
    place.change(file, *keys, value=value)
    assert objections(place, file) == []
    assert says in str(place.refusal(file, says))


@pytest.mark.parametrize("file", FILES)
def test_both_take_a_file_that_is_right(place: Place, file: str) -> None:
    assert objections(place, file) == []


def test_each_kind_is_one_that_the_sdk_is_asked_of() -> None:
    nothing = Path("absent.yml")
    assert [kind for kind in KINDS if not SDK.objections(nothing, kind, None)] == []


REFUSED: list[tuple[str, tuple[str, ...], Any, str]] = [
    ("endpoint.yml", ("auth_mode",), "kee", "auth_mode: Value 'kee' passed is not in set"),
    ("endpoint.yml", ("traffic", "green"), 50, "traffic: Traffic rule percentages must sum to less than"),
    ("managed.yml", ("instance_type",), None, "instance_type: Missing data for required field"),
    ("managed.yml", ("mood",), 1, "mood: Unknown field"),
    ("pipeline.yml", ("setings",), {"force_rerun": True}, "setings: Unknown field"),
    ("command.yml", ("limits", "timeout"), "soon", "limits.timeout: "),
]


@pytest.mark.parametrize("file, keys, value, says", REFUSED, ids=[says for _, _, _, says in REFUSED])
def test_what_only_the_sdk_refuses_is_shown_once_in_one_line(
    place: Place, file: str, keys: tuple[str, ...], value: Any, says: str
) -> None:
    place.change(file, *keys, value=value)
    (one,) = place.findings(validator())
    assert one.file == file and one.text.startswith(says) and "\n" not in one.text
    assert one.text.endswith(": correct it as Azure ML's SDK wants it")
    assert value is None or one.line == place.line(file, f"{says.partition(':')[0].split('.')[-1]}:")


def test_what_both_refuse_is_shown_once(place: Place) -> None:
    place.change("components/train.yml", "command", value="ls ${{outputs.x}}")
    place.change("pipeline.yml", "jobs", "train", "inputs", "data", value=None)
    assert [one.file for one in place.findings(validator())] == ["components/train.yml", "pipeline.yml"]


def test_a_file_that_only_the_sdk_refuses_is_not_shown_again_where_it_is_used(place: Place) -> None:
    place.change("components/train.yml", "inputs", "epochs", "type", value="intger")
    found = {one.file for one in place.findings(validator())}
    assert found == {"components/train.yml"}


def test_the_public_load_function_refuses_the_documented_batch_deployment(place: Place) -> None:
    from azure.ai.ml import load_batch_deployment

    with pytest.raises(Exception, match="settings"):
        load_batch_deployment(place.folder / "batch.yml")


def test_a_components_variables_are_dropped(place: Place) -> None:
    from azure.ai.ml import load_component

    place.change("components/train.yml", "environment_variables", value={"A": "b"})
    assert "environment_variables" not in load_component(place.folder / "components/train.yml")._to_dict()


def _mappings(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(content, dict):
        yield keys
        for key, value in content.items():
            yield from _mappings(value, (*keys, key))


# Whose names are the user's own choice; what they bind is another test's matter.
NAMES = ("inputs", "outputs", "environment_variables", "jobs", "search_space", "traffic")


@pytest.mark.parametrize("file", FILES)
def test_an_unknown_field_is_refused_by_one_of_the_two_wherever_it_stands(place: Place, file: str) -> None:
    original = yaml.safe_load((place.folder / file).read_text())
    for keys in _mappings(original):
        if keys and keys[-1] in NAMES:
            continue
        content = copy.deepcopy(original)
        inner = content
        for key in keys:
            inner = inner[key]
        inner["mood"] = 1
        (place.folder / file).write_text(yaml.safe_dump(content, sort_keys=False))
        assert objections(place, file) or [one for one in place.findings() if one.file == file], keys


def _fields(schema: Any) -> set[str]:
    loaded = schema(context={"base_path": "."}).load_fields.items()
    return {field.data_key or name for name, field in loaded} | {"$schema"}


def test_the_fields_are_those_of_the_sdks_schemas() -> None:
    from azure.ai.ml._schema.component.command_component import CommandComponentSchema
    from azure.ai.ml._schema.component.parallel_component import ParallelComponentSchema
    from azure.ai.ml._schema.component.spark_component import SparkComponentSchema
    from azure.ai.ml._schema.pipeline import component_job
    from azure.ai.ml._schema.pipeline.pipeline_component import PipelineComponentSchema

    schemas = {
        "commandComponent": CommandComponentSchema,
        "pipelineComponent": PipelineComponentSchema,
        "parallelComponent": ParallelComponentSchema,
        "sparkComponent": SparkComponentSchema,
        "commandStep": component_job.CommandSchema,
        "parallelStep": component_job.ParallelSchema,
        "sparkStep": component_job.SparkSchema,
        "sweepStep": component_job.SweepSchema,
    }
    of_any_step = {"name", "display_name", "description", "tags"}  # attributes of a node that its schema leaves open
    for role, schema in schemas.items():
        known = set(FIELDS[role].split()) | {"$schema"}
        assert known - (of_any_step if role.endswith("Step") else set()) == _fields(schema), role


def test_the_fields_of_settings_resources_and_distributions_are_the_sdks() -> None:
    from azure.ai.ml._schema.job import distribution
    from azure.ai.ml._schema.job_resource_configuration import JobResourceConfigurationSchema
    from azure.ai.ml._schema.pipeline.settings import PipelineJobSettingsSchema

    assert set(SETTINGS.split()) == set(PipelineJobSettingsSchema().load_fields)
    assert {*RESOURCES.split(), "$schema"} == _fields(JobResourceConfigurationSchema)
    for kind, fields in DISTRIBUTIONS.items():
        name = {"pytorch": "PyTorch", "mpi": "MPI", "tensorflow": "TensorFlow", "ray": "Ray"}[kind]
        assert {*fields.split(), "$schema"} == _fields(getattr(distribution, f"{name}DistributionSchema")), kind


def test_the_time_zones_are_the_sdks() -> None:
    from azure.ai.ml.constants import TimeZone

    assert sorted(TIME_ZONES) == sorted(zone.value for zone in TimeZone)
