"""Whether a file says what it is: without a known $schema no rule and no editor would look at it."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.lint.finding import Finding
from mlops.lint.parts import Part
from mlops.lint.surroundings import Surroundings

KINDS = (
    *("pipelineJob", "commandJob", "sweepJob", "parallelJob", "sparkJob", "autoMLJob"),
    *("commandComponent", "pipelineComponent", "parallelComponent", "sparkComponent"),
    *("environment", "data", "model", "schedule", "workspace", "registry"),
    *("managedOnlineEndpoint", "kubernetesOnlineEndpoint", "managedOnlineDeployment", "kubernetesOnlineDeployment"),
    *("batchEndpoint", "batchDeployment", "modelBatchDeployment", "pipelineComponentBatchDeployment"),
    *("amlCompute", "computeInstance", "kubernetesCompute"),
    *("azureBlob", "azureFile", "azureDataLakeGen1", "azureDataLakeGen2"),
)


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield that a file names no schema, or none that is known."""
    if part.keys or part.role in KINDS:
        return
    if not part.role:
        yield part.finding((), "has no $schema of Azure ML's: begin it with `$schema: https://azuremlschemas...`")
        return
    known = ", ".join(KINDS)
    yield part.finding(("$schema",), f"$schema '{part.role}' is unknown here: use one of {known}")
