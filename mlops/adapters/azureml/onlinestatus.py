"""What Azure says of an online endpoint, as the port's EndpointStatus. It asks nobody anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops.adapters.azureml.onlinespec import DIGEST, SETTINGS, settings, version_of
from mlops.adapters.azureml.onlinewait import state_of
from mlops.config import Stage
from mlops.errors import TargetError
from mlops.ports import DeploymentStatus, EndpointStatus

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

READY, LOADING, FAILED = "ready", "loading", "failed"
STATES = {"Succeeded": READY, "Failed": FAILED, "Canceled": FAILED, "Deleting": FAILED}


def status_of(
    stage: Stage,
    endpoint: OnlineEndpoint,
    deployments: Mapping[str, OnlineDeployment],
    counts: Mapping[str, tuple[int, int]],
    headers: Callable[[str], dict[str, str]],
) -> EndpointStatus:
    """Return the status; deployments, counts of requests and errors, and headers are by deployment's name.

    Raises TargetError as `traffic_of` does.
    """
    url = urlsplit(endpoint.scoring_uri or "")
    address = f"{url.scheme}://{url.netloc}"
    seen: dict[int, DeploymentStatus] = {}
    for name, one in deployments.items():
        version = version_of(name)
        if version is not None:
            requests, errors = counts.get(name, (0, 0))
            digest = (one.properties or {}).get(DIGEST, "")
            state = (*_state(one), requests, errors)
            reached = (address, url.path, headers(name))
            seen[version] = DeploymentStatus(version, digest, *state, *reached, is_current(stage, one))
    return EndpointStatus(address if seen else None, traffic_of(endpoint), dict(sorted(seen.items())))


def is_current(stage: Stage, deployment: OnlineDeployment) -> bool:
    """Tell whether a deployment was made by the settings that the stage file has now."""
    return (deployment.tags or {}).get(SETTINGS) == settings(stage)


def traffic_of(endpoint: OnlineEndpoint) -> dict[int, int]:
    """Return the percent of each version that has any. Raises TargetError where any but ours has traffic."""
    traffic: dict[int, int] = {}
    for name, percent in shares(endpoint.traffic).items():
        version = version_of(name)
        if version is None:
            raise TargetError(
                f"endpoint {endpoint.name}: {name}, which has traffic, is no deployment of this pipeline: name another "
                f"endpoint in azureml.online.endpoint"
            )
        traffic[version] = percent
    return traffic


def shares(traffic: Mapping[str, Any] | None) -> dict[str, int]:
    """Return what has any percent of the traffic, by name."""
    return {name: int(percent) for name, percent in (traffic or {}).items() if int(percent)}


def started(deployment: OnlineDeployment, otherwise: datetime) -> datetime:
    """Return when a deployment was made."""
    made = getattr(deployment.creation_context, "created_at", None)
    return made if isinstance(made, datetime) else otherwise


def _state(deployment: OnlineDeployment) -> tuple[str, str | None]:
    said = state_of(deployment)
    state = STATES.get(said, LOADING)
    return state, None if state == READY else f"its provisioning state is {said}"
