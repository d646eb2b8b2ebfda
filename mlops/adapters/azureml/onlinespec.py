"""What an online endpoint and a deployment of it are made of, as the SDK's entities.

A deployment runs serving/azureml/online.py on the registered model in the image of environments/score. Its properties,
which Azure ML never lets change, declare which package it serves; its environment variables tell the script that, which
refuses another package, and the variant.

Source: learn.microsoft.com, "CLI (v2) managed online deployment YAML schema" and the one for Kubernetes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops.config import REPOSITORY, Stage
from mlops.ports import Deployment

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

ENVIRONMENT = REPOSITORY / "environments" / "score"
SOURCE = REPOSITORY / "src"
SCRIPT = "serving/azureml/online.py"
UPLOADED = ("serving", "modelpackage")
LEFT_OUT = ("streams", "__pycache__", ".*")  # what the script does not import, and what Python leaves behind
DIGEST, VARIANT, VERSION = "digest", "variant", "version"
SETTINGS = "settings"  # the tag of a deployment that says by which of the stage file's settings it was made
VARIABLES = {DIGEST: "VISIONLINE_DIGEST", VARIANT: "VISIONLINE_VARIANT", VERSION: "VISIONLINE_VERSION"}
REQUEST_MS = 10_000
REQUESTS_AT_ONCE = 8  # the rest waits in Azure's queue, and is refused with 429 where that is full


def deployment_name(version: int) -> str:
    """Return a deployment's name: v01, v12, v123. Azure ML wants a letter first and three characters at least."""
    return f"v{version:02d}"


def version_of(name: str) -> int | None:
    """Return the version that a deployment's name tells, None where somebody else named it."""
    number = name[1:]
    is_ours = number.isascii() and number.isdigit() and name == deployment_name(int(number))
    return int(number) if is_ours else None


def lasting(deployment: Deployment) -> dict[str, str]:
    """Return what a deployment's properties say that it serves. The variant is not among it: it may change in place."""
    return {DIGEST: deployment.digest, VERSION: str(deployment.version)}


def declared(deployment: Deployment) -> dict[str, str]:
    """Return what a deployment's tags say that it serves."""
    return {**lasting(deployment), VARIANT: deployment.variant}


def variables(deployment: Deployment) -> dict[str, str]:
    """Return the environment variables that tell the script what it serves."""
    return {VARIABLES[key]: value for key, value in declared(deployment).items()}


def settings(stage: Stage) -> str:
    """Return what of the stage file a deployment depends on; how many there are, scaling may change later."""
    online = stage.azureml.online
    return f"{stage.release.variant} on {online.instances} {online.instance_type}"


def endpoint_entity(stage: Stage, name: str) -> OnlineEndpoint:
    """Return a new endpoint: on the attached Kubernetes cluster that the stage names, else managed by Azure."""
    from azure.ai.ml.entities import KubernetesOnlineEndpoint, ManagedOnlineEndpoint

    online, tags = stage.azureml.online, {"model": stage.model, "stage": stage.name}
    if online.compute is None:
        return ManagedOnlineEndpoint(name=name, auth_mode=online.auth, tags=tags)
    return KubernetesOnlineEndpoint(name=name, auth_mode=online.auth, tags=tags, compute=online.compute)


def deployment_entity(
    stage: Stage, endpoint: str, deployment: Deployment, environment: str, code: Path
) -> OnlineDeployment:
    """Return a deployment of a version. It gets no traffic by being made."""
    from azure.ai.ml.entities import CodeConfiguration, KubernetesOnlineDeployment, ManagedOnlineDeployment

    online = stage.azureml.online
    kind = ManagedOnlineDeployment if online.compute is None else KubernetesOnlineDeployment
    return kind(
        name=deployment_name(deployment.version),
        endpoint_name=endpoint,
        model=model_asset(stage, deployment),
        environment=environment,
        code_configuration=CodeConfiguration(code=str(code), scoring_script=SCRIPT),
        environment_variables=variables(deployment),
        properties=lasting(deployment),
        tags={"model": deployment.model, **declared(deployment), SETTINGS: settings(stage)},
        instance_type=online.instance_type,
        instance_count=online.instances,
        **_settings(),
    )


def model_asset(stage: Stage, deployment: Deployment) -> str:
    """Return the registered model's address: in the workspace, or in the registry that stages share."""
    if stage.azureml.registry is None:
        return f"azureml:{deployment.model}:{deployment.version}"
    where = f"azureml://registries/{stage.azureml.registry}"
    return f"{where}/models/{deployment.model}/versions/{deployment.version}"


@contextmanager
def code_folder() -> Iterator[Path]:
    """Yield a copy of what is uploaded and no more: so the same code has the same hash, and is uploaded once."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "src"
        for name in UPLOADED:
            shutil.copytree(SOURCE / name, folder / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        yield folder


def mirrored(mirror: Mapping[str, int], traffic: Mapping[str, int], deployed: set[str]) -> dict[str, int]:
    """Return the mirror traffic that stays valid: of a deployment that is there and has no traffic of its own."""
    return {name: percent for name, percent in mirror.items() if name in deployed and not traffic.get(name)}


def _settings() -> dict[str, Any]:
    from azure.ai.ml.entities import OnlineRequestSettings, ProbeSettings

    return {
        "request_settings": OnlineRequestSettings(
            request_timeout_ms=REQUEST_MS, max_concurrent_requests_per_instance=REQUESTS_AT_ONCE
        ),
        # Up to ten minutes to load; then half a minute without an answer is the end.
        "readiness_probe": ProbeSettings(initial_delay=5, period=10, timeout=5, failure_threshold=60),
        "liveness_probe": ProbeSettings(initial_delay=600, period=10, timeout=5, failure_threshold=3),
    }
