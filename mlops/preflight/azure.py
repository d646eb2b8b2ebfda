"""What Azure answered of a workspace and what belongs to it, as lines: who we are, the workspace, images, computes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops.config import Stage
from mlops.places import Cluster
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning

SUCCEEDED = "Succeeded"
DENIED = "computes/write is not allowed: have an AzureML Compute Operator"
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
UNITS = (86400, 3600, 60, 1)


def who(token: str) -> dict[str, Any]:
    """Return the claims of an access token, without checking its signature; empty where it holds none."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def login_line(place: str, claims: Mapping[str, Any]) -> CheckLine:
    """Return who this process is to Azure; `place` is where its identity comes from."""
    person = claims.get("upn") or claims.get("unique_name")
    name = person or f"application {claims.get('appid') or claims.get('azp') or '?'}"
    return ok("login", f"{name}, object {claims.get('oid', '?')}, tenant {claims.get('tid', '?')}, by {place}")


def provider_line(provider: Mapping[str, Any]) -> CheckLine:
    """Return whether the subscription may use Azure ML at all."""
    state = provider.get("registrationState")
    if state == "Registered":
        return ok("provider", "Microsoft.MachineLearningServices is registered")
    command = "az provider register --namespace Microsoft.MachineLearningServices"
    return failure("provider", f"Microsoft.MachineLearningServices is {state or 'unknown'}: {command}")


def workspace_line(workspace: Mapping[str, Any]) -> CheckLine:
    """Return how the workspace stands."""
    properties = workspace["properties"]
    name, state = workspace.get("name"), properties.get("provisioningState")
    if state != SUCCEEDED:
        return failure("workspace", f"{name} is {state}: mend it in the portal before anything is sent to it")
    if properties.get("publicNetworkAccess") == "Disabled":
        return warning("workspace", f"{name}: only its private network reaches it: run the steps inside that")
    return ok("workspace", f"{name} in {workspace.get('location')}")


def images_line(workspace: Mapping[str, Any], registry: Mapping[str, Any] | None) -> CheckLine:
    """Return whether Azure ML can build and keep images; `registry` None: the workspace has none yet."""
    if registry is None:
        return ok("container registry", "none yet: Azure ML makes one with the first environment")
    name, properties = registry.get("name"), registry.get("properties") or {}
    if properties.get("provisioningState") != SUCCEEDED:
        state = properties.get("provisioningState")
        return failure("container registry", f"{name} is {state}: mend it in the portal, no image can be built")
    is_private = properties.get("publicNetworkAccess") == "Disabled"
    if is_private and not workspace["properties"].get("imageBuildCompute"):
        text = f"{name} is private: set the workspace's imageBuildCompute, or no image can be built"
        return failure("container registry", text)
    return ok("container registry", f"{name} ({(registry.get('sku') or {}).get('name', 'no sku')})")


def cluster_line(name: str, wanted: Cluster, found: Mapping[str, Any] | None, may_make: bool) -> CheckLine:
    """Return whether a cluster is as the stage file says, or may be made or changed to be so; `found` None: absent."""
    if found is None and may_make:
        return ok("cluster", f"{name} is absent: the first training makes it")
    if found is None:
        return failure("cluster", f"{name} is absent, and {DENIED} make it")
    properties = found["properties"].get("properties") or {}
    size, priority = str(properties.get("vmSize", "")), str(properties.get("vmPriority") or "Dedicated")
    if size.lower() != wanted.size.lower() or (priority.lower() == "lowpriority") != wanted.low_priority:
        return failure("cluster", f"{name} is {size}, {priority}, and can't be changed: name another or delete it")
    if found["properties"].get("provisioningState") != SUCCEEDED:
        return failure("cluster", f"{name} is {found['properties'].get('provisioningState')}: see it in the studio")
    differences = ", ".join(_differences(found, wanted))
    if differences and not may_make:
        way = "or write into azureml.clusters what it has"
        return failure("cluster", f"{name} {differences}, and {DENIED} change it, {way}")
    changes = f"; it {differences}: the first step that uses it changes that" if differences else ""
    return ok("cluster", f"{name}: {size}, {priority}{changes}")


def _differences(found: Mapping[str, Any], wanted: Cluster) -> Iterator[str]:
    """Yield what a step would have to change of a cluster before it can use it."""
    scale = (found["properties"].get("properties") or {}).get("scaleSettings") or {}
    for key, has, should in (
        ("min_nodes", scale.get("minNodeCount"), wanted.min_nodes),
        ("max_nodes", scale.get("maxNodeCount"), wanted.max_nodes),
        ("idle_seconds", seconds_of(scale.get("nodeIdleTimeBeforeScaleDown")), wanted.idle_seconds),
    ):
        if has != should:
            yield f"has {key} {has} where the stage file says {should}"
    if ((found.get("identity") or {}).get("type") or "None").lower() == "none":
        yield "has no identity"


def seconds_of(duration: str | None) -> int | None:
    """Return the whole seconds of a duration as Azure writes it (ISO 8601: PT300S, PT5M); None where it is none."""
    found = DURATION.fullmatch(duration or "")
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), UNITS, strict=True)) if found else None


def principal_of(compute: Mapping[str, Any]) -> str | None:
    """Return the object id of a compute's identity, or None."""
    identity = compute.get("identity") or {}
    users = (identity.get("userAssignedIdentities") or {}).values()
    return identity.get("principalId") or next((one.get("principalId") for one in users), None)


def kubernetes_line(stage: Stage, compute: Mapping[str, Any]) -> CheckLine:
    """Return whether the attached cluster can take the stage's online deployments."""
    online, properties = stage.azureml.online, compute["properties"]
    kind, state = properties.get("computeType"), properties.get("provisioningState")
    if kind not in ("Kubernetes", "AKS"):
        return failure("kubernetes", f"{online.compute} is {kind}, no Kubernetes: change azureml.online.compute")
    if state != SUCCEEDED:
        return failure("kubernetes", f"{online.compute} is {state}: attach it again")
    types = (properties.get("properties") or {}).get("instanceTypes") or {}
    if types and online.instance_type not in types:
        known = ", ".join(sorted(types))
        return failure("kubernetes", f"{online.compute} has no instance type {online.instance_type}: it has {known}")
    return ok("kubernetes", f"{online.compute} is attached, instance type {online.instance_type}")
