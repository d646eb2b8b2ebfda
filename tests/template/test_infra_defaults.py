"""The clusters that infra/ makes are those of the stage files, in the same size: else CI would try to change them."""

from __future__ import annotations

import re

import pytest

from mlops.config import REPOSITORY, load_stage

TERRAFORM = (REPOSITORY / "infra/terraform/stage/variables.tf").read_text(encoding="utf-8")
BICEP = (REPOSITORY / "infra/bicep/stage.bicep").read_text(encoding="utf-8")
COMPUTE = (REPOSITORY / "infra/terraform/modules/compute/main.tf").read_text(encoding="utf-8")


def _terraform(name: str) -> str:
    found = re.search(rf'variable "{name}" {{[^}}]*?default\s+= "?([^"\n]+)', TERRAFORM)
    return found.group(1) if found else ""


def _bicep(name: str) -> str:
    found = re.search(rf"^param {name} \w+ = '?([^'\n]+)", BICEP, re.M)
    return found.group(1) if found else ""


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_both_languages_make_clusters_of_the_stage_files_size(kind: str) -> None:
    wanted = load_stage("dev").azureml.clusters[f"{kind}-cluster"]
    assert _terraform(f"{kind}_size") == _bicep(f"{kind}Size") == wanted.size
    assert f"PT{wanted.idle_seconds // 60:.0f}M" in COMPUTE


def test_the_cpu_cluster_has_as_many_nodes_and_gpus_are_the_cheap_ones() -> None:
    clusters = load_stage("dev").azureml.clusters
    assert int(_terraform("cpu_max_nodes")) == int(_bicep("cpuMaxNodes")) == clusters["cpu-cluster"].max_nodes
    assert (
        _terraform("gpu_low_priority") == _bicep("gpuLowPriority") == str(clusters["gpu-cluster"].low_priority).lower()
    )
