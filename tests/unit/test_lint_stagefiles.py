"""Lint finds what is wrong in the stage files: each wrong key in its own line, numbers and times that can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azureml_files import Place, make_staged_place

from mlops.config import REPOSITORY

DEV, BASE = "mlops/stages/dev.yaml", "mlops/stages/base.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_staged_place(tmp_path)


def test_each_wrong_key_is_found_not_only_the_first(place: Place) -> None:
    text = "gates:\n  min_accuracy: high\n  colour: red\nreport: pigeon\nlocal:\n  port: any\n"
    (place.folder / DEV).write_text(text)
    assert [(one.file, one.line, one.text.partition(": ")[0]) for one in place.findings()] == [
        (DEV, 2, "gates"),
        (DEV, 3, "gates"),
        (DEV, 4, "report"),
        (DEV, 6, "local"),
    ]


def test_a_wrong_key_of_the_base_is_shown_once_and_there(place: Place) -> None:
    place.change(BASE, "release", "variant", value=8)
    (one,) = place.findings()
    assert (one.file, one.line) == (BASE, place.line(BASE, "variant: 8"))


@pytest.mark.parametrize("file", [DEV, BASE])
def test_an_unknown_key_is_shown_in_the_file_that_has_it(place: Place, file: str) -> None:
    place.change(file, "gates", "colour", value="red")
    assert place.refusal(file, "unknown key 'colour'").line == place.line(file, "colour: red")


def test_a_missing_key_a_missing_file_and_what_is_no_yaml_are_found(place: Place) -> None:
    place.change(BASE, "model", value=None)
    assert {one.text for one in place.findings()} == {"model is missing"}
    (place.folder / DEV).unlink()
    place.refusal(DEV, "cannot be read")
    (place.folder / DEV).write_text("gates: {\n")
    place.refusal(DEV, "is not YAML")


@pytest.mark.parametrize(
    "content", [b"model: 2024-02-30\n", b"model: !!int ''\n", "# für\nmodel: a\n".encode("latin-1")]
)
def test_a_date_that_there_is_not_and_what_is_not_in_utf_8_are_found(place: Place, content: bytes) -> None:
    (place.folder / DEV).write_bytes(content)
    place.refusal(DEV, "is not YAML")


def test_names_that_lead_to_no_file_are_passed_over(place: Place) -> None:
    for name in ("a.yaml", "mlops/stages/old.yaml"):
        (place.folder / name).symlink_to("nowhere")
    (place.folder / "mlops/stages/folder.yaml").mkdir()
    assert place.findings() == []
    place.change(DEV, "gates", "colour", value="red")
    place.refusal(DEV, "unknown key 'colour'")


NUMBERS: list[tuple[str, Any]] = [
    ("azureml.clusters.cpu-cluster.min_nodes", -1),
    ("azureml.clusters.gpu-cluster.max_nodes", 0),
    ("azureml.training.nodes", -1),
    ("azureml.training.processes_per_node", 0),
    ("azureml.online.instances", -1),
    ("azureml.batch.nodes", 0),
    ("azureml.batch.mini_batch_size", -1),
    ("azureml.batch.max_failed", -2),
]


@pytest.mark.parametrize("dotted, value", NUMBERS)
def test_a_number_that_can_not_be_is_found(place: Place, dotted: str, value: int) -> None:
    place.change(BASE, *dotted.split("."), value=value)
    place.refusal(BASE, f"{dotted}: is {value}: write ")


@pytest.mark.parametrize(
    "key, value, says",
    [
        ("cron", "0 99 * * *", "azureml.retraining: cron '0 99 * * *': hour '99' is not in 0-23"),
        ("time_zone", "Europe/Berlin", "azureml.retraining: time_zone 'Europe/Berlin' is unknown"),
    ],
)
def test_a_time_that_can_not_be_is_found(place: Place, key: str, value: str, says: str) -> None:
    place.change(DEV, "azureml", "retraining", key, value=value)
    place.refusal(DEV, says)


def test_a_size_that_is_none_is_found(place: Place) -> None:
    place.change(DEV, "azureml", "training", "shm_size", value="much")
    place.refusal(DEV, "azureml.training.shm_size: 'much' is no size")


def test_the_cluster_of_a_stage_of_its_own_may_be_named_by_jobs(place: Place) -> None:
    cluster = {"size": "Standard_D4s_v5", "min_nodes": 0, "max_nodes": 1, "idle_seconds": 60, "low_priority": True}
    place.change(DEV, "azureml", "clusters", "extra", value=cluster)
    place.change("command.yml", "compute", value="azureml:extra")
    assert place.findings() == []


@pytest.mark.parametrize(
    "keys, value, says",
    [
        (("platform",), "azure-ml", "platform: 'azure-ml' is unknown: use one of local, azureml"),
        (("target",), "azureml_online", "target: 'azureml_online' is unknown"),
        (("target",), "azureml-online", "target: 'azureml-online' serves versions of an Azure ML workspace"),
        (("azureml", "online", "endpoint"), "My_Endpoint!", "azureml.online.endpoint: 'My_Endpoint!' is no name"),
    ],
)
def test_a_choice_that_there_is_not_is_found(place: Place, keys: tuple[str, ...], value: str, says: str) -> None:
    place.change(DEV, *keys, value=value)
    (one,) = place.findings()
    assert one == place.refusal(DEV, says) and one.line == place.line(DEV, f"{keys[-1]}: {value}")


CONTRADICTIONS: list[tuple[str, Any, str]] = [
    ("release.variant", "int4", "release.variant: 'int4' has no limits under gates.parity: write one of fp32, int8"),
    ("azureml.clusters.cpu-cluster.min_nodes", 5, "azureml.clusters.cpu-cluster.min_nodes: is 5, and max_nodes 4"),
    ("azureml.online.instance_type", "", "azureml.online.instance_type: is empty: write a size"),
    ("train.epochz", 1, "train.epochz: is no input of mlops/jobs/training.yml: its inputs are raw, data_version"),
    ("release.traffic_steps", [10, 150], "release.traffic_steps: 150 is no percent of the traffic: write 1 to 100"),
    ("release.traffic_steps", [0, 100], "release.traffic_steps: 0 is no percent of the traffic: write 1 to 100"),
    ("release.verify.requests", 0, "release.verify.requests: is 0: write 1 or more"),
    ("release.verify.bake_seconds", -1, "release.verify.bake_seconds: is -1: write 0 or more"),
    ("train.epochs", 0, "train.epochs: is 0: write 1 or more"),
    ("azureml.workspace", "../x", "azureml.workspace: '../x' is no name: write letters, digits"),
    ("azureml.resource_group", "a/b", "azureml.resource_group: 'a/b' is no name: write letters, digits"),
    ("azureml.registry", "two words", "azureml.registry: 'two words' is no name: write letters, digits"),
]


@pytest.mark.parametrize("file", [DEV, BASE])
@pytest.mark.parametrize(
    "dotted, value, says", [*CONTRADICTIONS, ("model", "Bad/Name", "model: 'Bad/Name' is no name")]
)
def test_what_contradicts_the_rest_and_what_names_nothing_is_found_where_it_is_said(
    place: Place, file: str, dotted: str, value: Any, says: str
) -> None:
    jobs = place.folder / "mlops" / "jobs"
    jobs.mkdir()
    (jobs / "training.yml").write_text((REPOSITORY / "mlops/jobs/training.yml").read_text())
    for key, given in (("platform", "azureml"), ("target", "azureml-online" if dotted != "model" else "local")):
        place.change(DEV, key, value=given)
    place.change(file, *dotted.split("."), value=value)
    place.refusal(file, says)


@pytest.mark.parametrize("file", [DEV, BASE])
def test_an_autoscaler_beside_azures_router_is_found_where_it_is_said(place: Place, file: str) -> None:
    place.change(DEV, "platform", value="azureml")
    place.change(DEV, "target", value="azureml-online")
    place.change(DEV, "azureml", "online", "compute", value="edge-cluster")
    assert place.findings() == []
    place.change(file, "kubernetes", "autoscaling", value="hpa")
    found = place.refusal(file, "dev: kubernetes.autoscaling: 'hpa' and Azure ML's router")
    assert found.line == place.line(file, "autoscaling: hpa")
