"""The clusters that infra/ makes are those of the stage files, in the same size: else CI would try to change them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from infra_stages import INFRA, KEPT, needs

from mlops.config import load_stage


def _default(language: str, name: str) -> str:
    """Return the default of a parameter of stage.bicep, or of Terraform's variable of that name."""
    if language == "bicep":
        return _found(INFRA / "bicep/stage.bicep", rf"^param {name} \w+ = '?([^'\n]+)")
    snake = re.sub(r"(?=[A-Z])", "_", name).lower()
    return _found(INFRA / "terraform/stage/variables.tf", rf'variable "{snake}" {{[^}}]*?default\s+= "?([^"\n]+)')


def _found(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.M)
    return found.group(1) if found else ""


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("language", KEPT)
def test_a_language_makes_clusters_of_the_stage_files_size(language: str, kind: str) -> None:
    wanted = load_stage("dev").azureml.clusters[f"{kind}-cluster"]
    assert _default(language, f"{kind}Size") == wanted.size


@pytest.mark.parametrize("language", KEPT)
def test_the_cpu_cluster_has_as_many_nodes_and_gpus_are_the_cheap_ones(language: str) -> None:
    clusters = load_stage("dev").azureml.clusters
    assert int(_default(language, "cpuMaxNodes")) == clusters["cpu-cluster"].max_nodes
    assert _default(language, "gpuLowPriority") == str(clusters["gpu-cluster"].low_priority).lower()


@pytest.mark.parametrize("module", ["terraform/modules/compute/main.tf", "bicep/modules/compute.bicep"])
def test_idle_nodes_go_as_soon(module: str) -> None:
    needs(module.partition("/")[0])
    waits = {cluster.idle_seconds for cluster in load_stage("dev").azureml.clusters.values()}
    text = (INFRA / module).read_text(encoding="utf-8")
    assert {f"PT{seconds // 60:.0f}M" for seconds in waits} == set(re.findall(r"PT\d+M", text))
