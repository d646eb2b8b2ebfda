"""Lint finds counts that can't be, sizes that are none and Kubernetes quantities that Kubernetes would not read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from azureml_files import Place, make_place

from mlops.lint.resources import quantity


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


COUNTS = [
    ("components/train.yml", ("resources", "instance_count"), -1),
    ("components/train.yml", ("resources", "instance_count"), 0),
    ("components/train.yml", ("distribution", "process_count_per_instance"), -2),
    ("pipeline.yml", ("jobs", "train", "resources", "instance_count"), -1),
    ("command.yml", ("resources", "instance_count"), "-1"),
    ("sweep.yml", ("limits", "max_total_trials"), 0),
    ("managed.yml", ("instance_count",), -1),
    ("kubernetes.yml", ("instance_count",), -1),
    ("kubernetes.yml", ("scale_settings", "max_instances"), -1),
    ("batch.yml", ("resources", "instance_count"), -1),
    ("batch.yml", ("settings", "mini_batch_size"), 0),
    ("batch.yml", ("settings", "retry_settings", "max_retries"), -1),
    ("compute.yml", ("min_instances",), -1),
]


@pytest.mark.parametrize("file, keys, value", COUNTS, ids=[f"{file} {'.'.join(keys)}" for file, keys, _ in COUNTS])
def test_a_count_that_is_too_small_is_found(place: Place, file: str, keys: tuple[str, ...], value: Any) -> None:
    place.change(file, *keys, value=value)
    found = place.refusal(file, f"{'.'.join(keys)}: is {value}: write ")
    assert found.line == place.line(file, keys[-1])


def test_a_count_that_is_bound_is_not_looked_at(place: Place) -> None:
    place.change("command.yml", "resources", "instance_count", value="${{inputs.data}}")
    assert place.findings() == []


def test_an_input_may_be_called_like_a_count(place: Place) -> None:
    place.change("command.yml", "inputs", "instance_count", value=-1)
    assert place.findings() == []


@pytest.mark.parametrize("file, keys", [("kubernetes.yml", ("scale_settings",)), ("compute.yml", ())])
def test_more_nodes_at_least_than_at_most_are_found(place: Place, file: str, keys: tuple[str, ...]) -> None:
    place.change(file, *keys, "min_instances", value=9)
    place.refusal(file, "min_instances: 9 is more than max_instances")


@pytest.mark.parametrize("value", ["lots", "2 g", "0", "-1g", "2gb"])
def test_a_size_that_is_none_is_found(place: Place, value: str) -> None:
    place.change("command.yml", "resources", "shm_size", value=value)
    place.refusal("command.yml", f"resources.shm_size: '{value}' is no size")


QUANTITIES = [
    ("requests", "cpu", "half"),
    ("requests", "cpu", "1,5"),
    ("requests", "cpu", -1),
    ("limits", "cpu", "1Gi"),
    ("requests", "memory", "1GB"),
    ("limits", "memory", "2 Gi"),
    ("limits", "nvidia.com/gpu", "0.5"),
]


@pytest.mark.parametrize("kind, resource, value", QUANTITIES)
def test_what_is_no_kubernetes_quantity_is_found(place: Place, kind: str, resource: str, value: Any) -> None:
    place.change("kubernetes.yml", "resources", kind, resource, value=value)
    place.refusal("kubernetes.yml", f"resources.{kind}.{resource}: '{value}' is no Kubernetes quantity: write")


@pytest.mark.parametrize("resource, value", [("cpu", "1500m"), ("memory", "3Gi"), ("memory", "9000000000")])
def test_a_request_over_its_limit_is_found(place: Place, resource: str, value: str) -> None:
    place.change("kubernetes.yml", "resources", "requests", resource, value=value)
    place.refusal("kubernetes.yml", f"requests.{resource}: {value} is more than its limit")


@pytest.mark.parametrize(
    "resource, value, amount",
    [("cpu", "500m", "0.5"), ("cpu", 2, "2"), ("memory", "1Ki", "1024"), ("memory", "1.5G", "1500000000")],
)
def test_a_quantity_is_an_amount(resource: str, value: Any, amount: str) -> None:
    assert quantity(resource, value) == Decimal(amount)
