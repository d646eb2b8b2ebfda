"""Azure ML compute clusters as the stage file has them: made where absent, resized where they differ, never replaced.

Size and priority of a cluster can't be changed; its network is left as it is found, and so is its identity where it has
one: a job's step logs in with that, and what it may do is for the workspace's owner to grant.

Source: learn.microsoft.com, "Create an Azure Machine Learning compute cluster".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlops.adapters.azureml.failures import explained, reason
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import ConfigError, TargetError
from mlops.places import Cluster

if TYPE_CHECKING:
    from azure.ai.ml.entities import AmlCompute

DEDICATED, LOW_PRIORITY = "dedicated", "low_priority"


def ensure_cluster(stage: Stage, name: str) -> None:
    """Make the stage file's cluster of this name, or change its nodes and idle time to what the file says.

    One without an identity gets one of its own, as a new one does.

    Nothing is sent where it is as wanted. Raises ConfigError where the stage file has no such cluster, TargetError
    where one of another size or priority has the name, the quota does not suffice or Azure refuses.
    """
    wanted = stage.azureml.clusters.get(name)
    if wanted is None:
        known = ", ".join(stage.azureml.clusters)
        raise ConfigError(f"mlops/stages/{stage.name}.yaml: azureml.clusters has no '{name}': known are {known}")
    with explained(f"cluster {name}", TargetError):
        found = _found(stage, name)
        if found is None:
            _send(client_of(stage).compute.begin_create_or_update, _new(name, wanted), wanted)
            return
        _expect_changeable(found, name, wanted)
        if not _is_as_wanted(found, wanted):
            _send(client_of(stage).compute.begin_update, _changed(_in_its_network(found), wanted), wanted)


def _found(stage: Stage, name: str) -> Any:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return client_of(stage).compute.get(name)
    except ResourceNotFoundError:
        return None


def _new(name: str, wanted: Cluster) -> AmlCompute:
    from azure.ai.ml.entities import AmlCompute

    return _changed(AmlCompute(name=name, size=wanted.size, tier=_tier(wanted)), wanted)


def _in_its_network(found: Any) -> AmlCompute:
    # The SDK reads the subnet that a cluster is in, and forgets to send it when the cluster is updated.
    found.subnet = found.network_settings.subnet if found.network_settings else None
    return found


def _changed(cluster: AmlCompute, wanted: Cluster) -> AmlCompute:
    from azure.ai.ml.entities import IdentityConfiguration

    if not _has_identity(cluster):
        cluster.identity = IdentityConfiguration(type="system_assigned")
    cluster.min_instances = wanted.min_nodes
    cluster.max_instances = wanted.max_nodes
    cluster.idle_time_before_scale_down = wanted.idle_seconds
    return cluster


def _is_as_wanted(found: AmlCompute, wanted: Cluster) -> bool:
    scale = (found.min_instances, found.max_instances, found.idle_time_before_scale_down)
    is_sound = found.provisioning_state != "Failed" and _has_identity(found)
    return is_sound and scale == (wanted.min_nodes, wanted.max_nodes, wanted.idle_seconds)


def _has_identity(cluster: AmlCompute) -> bool:
    return cluster.identity is not None and str(cluster.identity.type).lower() != "none"


def _expect_changeable(found: Any, name: str, wanted: Cluster) -> None:
    kind = str(found.type).lower()
    if kind != "amlcompute":
        raise TargetError(f"{name}: is a compute of type {kind}, not a cluster: choose another name in the stage file")
    # Azure answers sizes in capitals.
    for what, is_now, should in (
        ("size", str(found.size), wanted.size),
        ("priority", str(found.tier), _tier(wanted)),
    ):
        if is_now.lower() != should.lower():
            raise TargetError(
                f"cluster {name}: {what} is {is_now}, the stage file wants {should}, and Azure can't change it: "
                "choose another name in azureml.clusters"
            )


def _tier(wanted: Cluster) -> str:
    return LOW_PRIORITY if wanted.low_priority else DEDICATED


def _send(send: Callable[[AmlCompute], Any], cluster: AmlCompute, wanted: Cluster) -> None:
    from azure.core.exceptions import HttpResponseError

    try:
        send(cluster).result()
    except HttpResponseError as error:
        if "quota" not in reason(error).lower():
            raise
        raise TargetError(
            f"cluster {cluster.name}: {reason(error)}: ask for more cores of {wanted.size} "
            "(portal: Quotas), or lower max_nodes in the stage file"
        ) from None
