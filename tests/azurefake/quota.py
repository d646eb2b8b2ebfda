"""What preflight asks for: quota, sizes, permissions, role assignments, the resource provider, images, the key vault.

Sources: learn.microsoft.com/rest/api: azureml (Usages, Virtual Machine Sizes), authorization (Permissions, Role
Assignments), resources (Providers), containerregistry, keyvault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azurefake.message import Answer, Request, refusal
from azurefake.routes import GROUP, route
from azurefake.tokens import claims_of
from azurefake.workspaces import REGION

if TYPE_CHECKING:
    from azurefake.state import Azure

PROVIDER = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"
SCOPED = "/{scope:path}/providers/Microsoft.Authorization"
KIND = "Microsoft.MachineLearningServices"
SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
TYPES = ("workspaces", "workspaces/models", "workspaces/jobs", "workspaces/onlineEndpoints")
VERSIONS = ("2022-02-01-preview", "2023-08-01-preview", "2024-01-01-preview", "2024-10-01", "2024-10-01-preview")


@dataclass
class Subscription:
    """What a test changes: sizes and usages of the region, what the caller may do, who has which role where."""

    registration: str = "Registered"
    api_versions: tuple[str, ...] = (*VERSIONS, "2025-01-01-preview")
    sizes: list[dict[str, Any]] = field(default_factory=lambda: list(SIZES))
    usages: list[dict[str, Any]] = field(default_factory=lambda: list(USAGES))
    permissions: list[dict[str, Any]] = field(default_factory=lambda: [{"actions": ["*"], "notActions": []}])
    elsewhere: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by the name of a scope's resource
    roles: list[tuple[str, str, str]] = field(default_factory=list)  # scope, principal, role
    secrets: dict[str, str] = field(default_factory=dict)


def size(name: str, family: str, cores: int, gpus: int = 0, low_priority: bool = True) -> dict[str, Any]:
    """Return a size as Azure lists it."""
    return {"name": name, "family": family, "vCPUs": cores, "gpus": gpus, "lowPriorityCapable": low_priority}


def usage(name: str, used: int, limit: int, kind: str = "vmFamily/dedicatedCores") -> dict[str, Any]:
    """Return a line of the quota as Azure lists it."""
    names = {"value": name, "localizedValue": f"{name} vCPUs"}
    return {"type": f"{KIND}/{kind}/usages", "unit": "Count", "currentValue": used, "limit": limit, "name": names}


SIZES = (
    size("STANDARD_D4S_V5", "standardDSv5Family", 4),
    size("Standard_F4s_v2", "standardFSv2Family", 4),
    size("Standard_NC24ads_A100_v4", "standardNCADSA100v4Family", 24, 1),
    size("Standard_ND96asr_v4", "standardNDASv4Family", 96, 8, low_priority=False),
)
USAGES = (
    usage("Clusters", 1, 200, "totalClusters"),
    usage("TotalDedicatedCores", 0, 100, "totalDedicatedCores"),
    usage("TotalLowPriorityCores", 0, 48, "totalLowPriorityCores"),
    usage("standardDSv5Family", 0, 40),
    usage("Standard FSv2 Family Cluster Dedicated vCPUs", 0, 20),  # the other of Azure's spellings
    usage("standardNCADSA100v4Family", 0, -1, "vmFamily/lowPriorityCores"),
    usage("standardNCADSA100v4Family", 0, 0),
)


def of(azure: Azure) -> Subscription:
    """Return the one subscription's state."""
    return azure.more.setdefault("subscription", Subscription())


@route("GET", PROVIDER)
def provider(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer whether the provider is registered, and its API versions by type."""
    mine = of(azure)
    types = [{"resourceType": name, "apiVersions": list(mine.api_versions)} for name in TYPES]
    return Answer(body={"namespace": KIND, "registrationState": mine.registration, "resourceTypes": types})


@route("GET", PROVIDER + "/locations/{region}/usages")
def usages(azure: Azure, request: Request, region: str, **names: str) -> Answer:
    """Answer the quota, in two pages."""
    found, is_first = of(azure).usages, "page" not in request.query
    more = {"nextLink": f"https://management.azure.com{request.path}?api-version=2024-10-01&page=2"} if is_first else {}
    return Answer(body={"value": found[:1] if is_first else found[1:], **more})


@route("GET", PROVIDER + "/locations/{region}/vmSizes")
def sizes(azure: Azure, request: Request, region: str, **names: str) -> Answer:
    """Answer the region's sizes."""
    return Answer(body={"value": of(azure).sizes if region == REGION else []})


@route("GET", SCOPED + "/permissions")
def permissions(azure: Azure, request: Request, scope: str) -> Answer:
    """Answer what the caller may do."""
    here = of(azure)
    return Answer(body={"value": here.elsewhere.get(scope.rpartition("/")[2], here.permissions)})


@route("GET", SCOPED + "/roleAssignments")
def assignments(azure: Azure, request: Request, scope: str) -> Answer:
    """Answer the roles that somebody has at a scope."""
    principal = request.query["$filter"].removeprefix("assignedTo('").removesuffix("')")
    found = [role for where, who, role in of(azure).roles if who == principal and f"/{scope}".lower() == where.lower()]
    above = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions"
    listed = [{"properties": {"principalId": principal, "roleDefinitionId": f"{above}/{role}"}} for role in found]
    return Answer(body={"value": listed})


@route("GET", GROUP + "/providers/Microsoft.ContainerRegistry/registries/{name}")
@route("GET", GROUP + "/providers/Microsoft.KeyVault/vaults/{name}")
def resource(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer a container registry or a vault that the workspace names, as a test left it."""
    body = {"properties": {"provisioningState": "Succeeded"}, "sku": {"name": "Premium"}}
    return Answer(body=azure.get(request.path) or azure.put(request.path, body))


@route("GET", "/secrets/{name}", "*.vault.azure.net")
def secret(azure: Azure, request: Request, name: str) -> Answer:
    """Answer a secret to whoever has a token for vaults."""
    claims = claims_of(request.headers.get("authorization", "").removeprefix("Bearer ")) or {}
    if claims.get("aud") != "https://vault.azure.net":
        return refusal(401, "Unauthorized", "AKV10022: Invalid audience.")
    known = of(azure).secrets.get(name)
    return Answer(body={"value": known}) if known else refusal(404, "SecretNotFound", f"A secret {name} was not found.")
