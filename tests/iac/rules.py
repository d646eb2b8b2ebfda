"""Rules that what is deployed has to keep, in either language. Pure: a deployment in, what is wrong out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from iac.resource import Deployment, Resource, short_id
from iac.settings import settings_of
from iac.values import Symbol

from mlops.infra.change import first_at
from mlops.infra.roles import STRONG, role_name

LOCK = "Microsoft.Authorization/locks"
ROLE = "Microsoft.Authorization/roleAssignments"
OWN_ROLE = "Microsoft.Authorization/roleDefinitions"
DIAGNOSTICS = "Microsoft.Insights/diagnosticSettings"
ENDPOINT = "Microsoft.Network/privateEndpoints"
# Kinds that Azure gives no tags.
UNTAGGED = (
    *(
        "locks",
        "roleAssignments",
        "roleDefinitions",
        "diagnosticSettings",
        "budgets",
        "federatedIdentityCredentials",
        "subnets",
    ),
    *("blobServices", "containers", "managementPolicies", "privateDnsZoneGroups", "extensions", "deployments"),
    *("fluxConfigurations", "dataCollectionRuleAssociations", "outboundRules", "trustedAccessRoleBindings"),
    *(
        "scopedResources",
        "maintenanceConfigurations",
        "fileServices",
        "connections",
        "datastores",
        "azurerm_",
        "azapi_",
        "Association",
    ),
)
# Whose logs are worth keeping.
DIAGNOSED = (
    *("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.ContainerRegistry/registries"),
    *("Microsoft.MachineLearningServices/workspaces", "Microsoft.ContainerService/managedClusters"),
)
# What can't be made again, so that production locks it.
LOCKED = ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.ContainerRegistry/registries")
# How a service is reached where it may not be public.
PRIVATE = (*LOCKED, "Microsoft.MachineLearningServices/workspaces", "Microsoft.Insights/privateLinkScopes")
# What is reached by the endpoint of a scope that names it.
SCOPED = (
    *("Microsoft.OperationalInsights/workspaces", "Microsoft.Insights/components"),
    "Microsoft.Insights/dataCollectionEndpoints",
)
SCOPE = "Microsoft.Insights/privateLinkScopes/scopedResources"
TAGS = ("owner", "project")

Rule = Callable[[Deployment], Iterator[str]]


def no_public_access(deployment: Deployment) -> Iterator[str]:
    """Yield what a private stage lets the internet reach, or lets nobody reach."""
    if not deployment.parameters.get("private"):
        return
    for one in settings_of(deployment):
        if any(one.values.get(way, False) is not False for way in ("public", "ingestion")):
            yield _said(one.resource, "is reached from the internet, or doesn't say that it isn't")
        if str(one.values.get("default", "Deny")) != "Deny":
            yield _said(one.resource, "lets every network in, or doesn't say that it doesn't")
    yield from _unreached(deployment)


def _unreached(deployment: Deployment) -> Iterator[str]:
    reached = {target for target, _ in private_endpoints(deployment)}
    for resource in _of(deployment, PRIVATE):
        if resource.id not in reached:
            yield _said(resource, "has no private endpoint")
    named = scoped(deployment)
    for resource in _of(deployment, SCOPED):
        if "stage" in deployment.parameters and resource.id not in named:
            yield _said(resource, "is in no private link scope")


def encrypted_on_the_way(deployment: Deployment) -> Iterator[str]:
    """Yield what speaks an old TLS, or none."""
    for one in settings_of(deployment):
        if "tls" in one.values and one.values["tls"] not in ("TLS1_2", "TLS1_3"):
            yield _said(one.resource, f"speaks TLS from {one.values['tls']} on, not from TLS1_2")
        if one.values.get("https", True) is not True or one.values.get("http", False) is not False:
            yield _said(one.resource, "speaks plain HTTP, or doesn't say that it doesn't")


def no_keys(deployment: Deployment) -> Iterator[str]:
    """Yield what lets in whoever holds a key, a password or a local account."""
    for one in settings_of(deployment):
        for setting, words in (("keys", "keys or local accounts"), ("admin", "an admin user"), ("ssh", "SSH")):
            if one.values.get(setting, False) is not False and not (setting == "ssh" and _is_attached(one.resource)):
                yield _said(one.resource, f"lets in by {words}, or doesn't say that it doesn't")
        if one.values.get("roles", True) is not True:
            yield _said(one.resource, "is opened by access policies, not by roles")
        if str(one.values.get("auth", "AADToken")) != "AADToken":
            yield _said(one.resource, "is asked with a key, not with a token of Entra ID")


def nothing_for_anybody(deployment: Deployment) -> Iterator[str]:
    """Yield what can be read without saying who one is."""
    for one in settings_of(deployment):
        if one.values.get("anonymous", False) is not False or one.values.get("access", "private") != "private":
            yield _said(one.resource, "can be read by anybody, or doesn't say that it can't")


def logged(deployment: Deployment) -> Iterator[str]:
    """Yield what sends no logs."""
    settings = [(_scope(one), one) for one in deployment.of(DIAGNOSTICS)]
    for resource in _of(deployment, DIAGNOSED):
        own = [one for scope, one in settings if f"{scope}/".startswith(f"{resource.id}/")]
        if not any(_logs(one) for one in own):
            yield _said(resource, "sends no logs: it has no diagnostic setting with a category of logs")


def tagged(deployment: Deployment) -> Iterator[str]:
    """Yield what doesn't say whose it is, and of which stage."""
    for resource in deployment.resources:
        if any(word.lower() in resource.kind.lower() for word in UNTAGGED):
            continue
        tags = resource.attributes.get("tags") or {}
        wanted = (*TAGS, "stage") if "stage" in deployment.parameters else TAGS
        if missing := [tag for tag in wanted if not tags.get(tag)]:
            yield _said(resource, f"has no tag {', '.join(missing)}")


def kept_in_production(deployment: Deployment) -> Iterator[str]:
    """Yield what production could lose by one command."""
    if deployment.parameters.get("stage") != "production":
        return
    locked = {_scope(one) for one in deployment.of(LOCK)}
    for resource in _of(deployment, LOCKED):
        if resource.id not in locked:
            yield _said(resource, "has no lock")
    for one in settings_of(deployment):
        if one.values.get("purge", True) is not True:
            yield _said(one.resource, "has no purge protection")


def least_rights(deployment: Deployment) -> Iterator[str]:
    """Yield the roles with which one can do almost anything."""
    for scope, role, principal in role_assignments(deployment):
        if role in STRONG:
            yield f"{deployment.language}: {principal} gets {role} on {scope}: give it what it needs, no more"


def budgeted(deployment: Deployment) -> Iterator[str]:
    """Yield that a stage may cost whatever it likes."""
    if "stage" in deployment.parameters and not deployment.of("Microsoft.Consumption/budgets"):
        yield f"{deployment.language}: no budget with alerts"


RULES: tuple[Rule, ...] = (
    *(no_public_access, encrypted_on_the_way, no_keys, nothing_for_anybody, logged, tagged),
    *(kept_in_production, least_rights, budgeted),
)


def problems(deployment: Deployment) -> list[str]:
    """Return all that is wrong."""
    return [problem for rule in RULES for problem in rule(deployment)]


def role_assignments(deployment: Deployment) -> list[tuple[str, str, str]]:
    """Return scope, role and principal of each role assignment, sorted; a role that is made here by its own name."""
    own = {one.id: str(first_at(one.attributes, "properties.roleName", "name")) for one in deployment.of(OWN_ROLE)}
    found = deployment.of(ROLE)
    return sorted((_scope(one), _role(one, own), str(first_at(one.attributes, *PRINCIPAL))) for one in found)


PRINCIPAL = ("principal_id", "properties.principalId")


def private_endpoints(deployment: Deployment) -> list[tuple[str, str]]:
    """Return target and part of each private endpoint, sorted."""
    paths = (
        "private_service_connection.0.private_connection_resource_id",
        "properties.privateLinkServiceConnections.0.properties.privateLinkServiceId",
    )
    parts = (
        "private_service_connection.0.subresource_names.0",
        "properties.privateLinkServiceConnections.0.properties.groupIds.0",
    )
    found = deployment.of(ENDPOINT)
    return sorted((short_id(first_at(o.attributes, *paths)), str(first_at(o.attributes, *parts))) for o in found)


def scoped(deployment: Deployment) -> list[str]:
    """Return what a private link scope of Azure Monitor names, sorted."""
    paths = ("linked_resource_id", "properties.linkedResourceId")
    return sorted(short_id(first_at(one.attributes, *paths)) for one in deployment.of(SCOPE))


def locks(deployment: Deployment) -> list[tuple[str, str]]:
    """Return scope and level of each lock, sorted."""
    found = deployment.of(LOCK)
    return sorted((_scope(one), str(first_at(one.attributes, "lock_level", "properties.level"))) for one in found)


def diagnostics(deployment: Deployment) -> list[str]:
    """Return what sends logs, sorted."""
    return sorted(_scope(one) for one in deployment.of(DIAGNOSTICS))


def _logs(one: Resource) -> bool:
    listed: Any = first_at(one.attributes, "enabled_log", "properties.logs") or []
    return any(log.get("enabled", True) for log in listed)


def _scope(one: Resource) -> str:
    return short_id(first_at(one.attributes, "target_resource_id", "scope"))


def _role(one: Resource, own: dict[str, str]) -> str:
    paths = ("role_definition_name", "role_definition_id", "properties.roleDefinitionId")
    role = first_at(one.attributes, *paths)
    return own.get(role.base if isinstance(role, Symbol) else str(role)) or role_name(str(role))


def _of(deployment: Deployment, kinds: tuple[str, ...]) -> Iterator[Resource]:
    return (resource for kind in kinds for resource in deployment.of(kind))


def _is_attached(resource: Resource) -> bool:
    # A cluster that is attached to a workspace has no machines of Azure ML's, and so nobody's SSH.
    return first_at(resource.attributes, "properties.computeType") == "Kubernetes"


def _said(resource: Resource, words: str) -> str:
    return f"{resource.declared}: {resource.id} {words}"
