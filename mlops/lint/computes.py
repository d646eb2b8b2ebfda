"""Where things run: each job has a compute, and each cluster that is named is one of the stage files'."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops.lint.document import Keys
from mlops.lint.finding import Finding
from mlops.lint.parts import Part
from mlops.lint.references import asset, local_path
from mlops.lint.surroundings import Surroundings

SERVERLESS = ("serverless", "local")
NEED_ONE = (
    *("commandJob", "sweepJob", "sparkJob", "parallelJob", "kubernetesOnlineEndpoint"),
    *("batchDeployment", "modelBatchDeployment"),
)
# A Kubernetes cluster is attached by its owner; no stage file makes it.
NOT_OURS = ("kubernetesOnlineEndpoint",)
ADVICE = "name a cluster of the stage files (azureml:NAME), or azureml:serverless"


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield where a compute is missing, or is none that the stages have."""
    yield from _missing(part)
    yield from _unknown(part, ("compute",), part.content.get("compute"), around)
    yield from _unknown(part, ("settings", "default_compute"), part.mapping("settings").get("default_compute"), around)


def _missing(part: Part) -> Iterator[Finding]:
    if part.role in NEED_ONE and not part.content.get("compute"):
        yield part.finding((), f"{part.where('compute')}: is missing: {_advice(part)}")
    pipeline = part.parent
    if not (part.is_step and pipeline and pipeline.role == "pipelineJob"):
        return
    has_default = pipeline.content.get("compute") or pipeline.mapping("settings").get("default_compute")
    if not has_default and not part.content.get("compute") and part.role != "pipelineStep":
        yield part.finding((), f"{part.where()}: has no compute, nor has settings.default_compute: {ADVICE}")


def _advice(part: Part) -> str:
    return "name an attached Kubernetes cluster (azureml:NAME)" if part.role in NOT_OURS else ADVICE


def _unknown(part: Part, keys: Keys, value: Any, around: Surroundings) -> Iterator[Finding]:
    if not isinstance(value, str) or around.clusters is None or part.role in NOT_OURS:
        return
    named = asset(value)
    name = named.name if named else local_path(value)
    if name is None or name in SERVERLESS or name in around.clusters | around.computes:
        return
    known = ", ".join(sorted(around.clusters | around.computes)) or "none"
    advice = f"known are {known}: use one, or add it to azureml.clusters"
    yield part.finding(keys, f"{part.where(*keys)}: '{name}' is no cluster of a stage file: {advice}")
