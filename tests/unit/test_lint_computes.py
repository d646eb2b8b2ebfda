"""Lint finds jobs that have nothing to run on, and clusters that no stage file makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from azureml_files import Place, make_staged_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_staged_place(tmp_path)


@pytest.mark.parametrize("file", ["command.yml", "sweep.yml", "batch.yml", "kubernetes-endpoint.yml"])
def test_a_missing_compute_is_found(place: Place, file: str) -> None:
    place.change(file, "compute", value=None)
    place.refusal(file, "compute: is missing: name a")


def test_a_step_with_no_compute_of_its_own_nor_of_the_pipelines_is_found(place: Place) -> None:
    place.change("pipeline.yml", "settings", value=None)
    assert "jobs.list: has no compute" in place.findings()[0].text
    assert [one.line for one in place.findings()] == [place.line("pipeline.yml", "  list:")]


def test_a_pipeline_component_leaves_compute_to_who_uses_it(place: Place) -> None:
    assert "compute" not in (place.folder / "component-of-steps.yml").read_text()
    assert place.findings() == []


BAD = [
    ("pipeline.yml", ("settings", "default_compute")),
    ("pipeline.yml", ("jobs", "train", "compute")),
    ("command.yml", ("compute",)),
    ("batch.yml", ("compute",)),
    ("weekly.yml", ("create_job", "settings", "default_compute")),
]


@pytest.mark.parametrize("file, keys", BAD, ids=[f"{file} {'.'.join(keys)}" for file, keys in BAD])
def test_a_cluster_of_no_stage_file_is_found(place: Place, file: str, keys: tuple[str, ...]) -> None:
    place.change(file, *keys, value="azureml:cpu-clutser")
    found = place.refusal(file, "'cpu-clutser' is no cluster of a stage file: known are cpu-cluster, gpu-cluster, own-")
    assert found.line == place.line(file, "cpu-clutser")


@pytest.mark.parametrize(
    "compute",
    ["azureml:own-cluster", "azureml:serverless", "serverless", "azureml:/subscriptions/s/computes/c", "local"],
)
def test_other_ways_to_name_a_compute_are_taken(place: Place, compute: str) -> None:
    place.change("command.yml", "compute", value=compute)
    assert place.findings() == []


def test_a_repository_without_stage_files_may_name_any_cluster(place: Place) -> None:
    (place.folder / "mlops" / "stages").rename(place.folder / "elsewhere")
    place.change("command.yml", "compute", value="azureml:any")
    assert place.findings() == []
