"""What security and cost depend on, of resources of either language, under one name each.

A table says where each language has it. A setting that a file doesn't state is None: defaults differ, so rules want
it stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iac.resource import Deployment, Resource
from iac.values import text_of

from mlops.infra.change import CREATE, Change, value_at
from mlops.infra.costs import Prices, estimate

# Kind -> setting -> where it stands: Terraform's argument first, then Azure's property. ! turns a boolean round.
SETTINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "Microsoft.Storage/storageAccounts": {
        "public": ("public_network_access_enabled", "properties.publicNetworkAccess"),
        "default": ("network_rules.0.default_action", "properties.networkAcls.defaultAction"),
        "tls": ("min_tls_version", "properties.minimumTlsVersion"),
        "https": ("https_traffic_only_enabled", "properties.supportsHttpsTrafficOnly"),
        "keys": ("shared_access_key_enabled", "properties.allowSharedKeyAccess"),
        "anonymous": ("allow_nested_items_to_be_public", "properties.allowBlobPublicAccess"),
    },
    "Microsoft.KeyVault/vaults": {
        "public": ("public_network_access_enabled", "properties.publicNetworkAccess"),
        "default": ("network_acls.0.default_action", "properties.networkAcls.defaultAction"),
        "roles": ("rbac_authorization_enabled", "properties.enableRbacAuthorization"),
        "purge": ("purge_protection_enabled", "properties.enablePurgeProtection"),
    },
    "Microsoft.ContainerRegistry/registries": {
        "public": ("public_network_access_enabled", "properties.publicNetworkAccess"),
        "admin": ("admin_enabled", "properties.adminUserEnabled"),
        "anonymous": ("anonymous_pull_enabled", "properties.anonymousPullEnabled"),
    },
    "Microsoft.OperationalInsights/workspaces": {
        "public": ("internet_query_enabled", "properties.publicNetworkAccessForQuery"),
        "ingestion": ("internet_ingestion_enabled", "properties.publicNetworkAccessForIngestion"),
        "keys": ("local_authentication_enabled", "!properties.features.disableLocalAuth"),
        "days": ("retention_in_days", "properties.retentionInDays"),
    },
    "Microsoft.MachineLearningServices/workspaces": {
        "public": ("public_network_access_enabled", "properties.publicNetworkAccess"),
        "outbound": ("managed_network.0.isolation_mode", "properties.managedNetwork.isolationMode"),
        "datastores": ("properties.systemDatastoresAuthMode",),
    },
    "Microsoft.MachineLearningServices/registries": {
        "public": ("public_network_access_enabled", "properties.publicNetworkAccess"),
    },
    "Microsoft.MachineLearningServices/workspaces/computes": {
        "keys": ("local_auth_enabled", "!properties.disableLocalAuth"),
        "ssh": ("ssh_public_access_enabled", "properties.properties.remoteLoginPortPublicAccess"),
        "address": ("node_public_ip_enabled", "properties.properties.enableNodePublicIp"),
    },
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints": {
        "public": ("properties.publicNetworkAccess",),
        "auth": ("properties.authMode",),
    },
    "Microsoft.MachineLearningServices/workspaces/batchEndpoints": {"auth": ("properties.authMode",)},
    "Microsoft.ContainerService/managedClusters": {
        "keys": ("!local_account_disabled", "!properties.disableLocalAccounts"),
        "public": ("!private_cluster_enabled", "!properties.apiServerAccessProfile.enablePrivateCluster"),
        "run": ("run_command_enabled", "!properties.apiServerAccessProfile.disableRunCommand"),
    },
    "Microsoft.App/managedEnvironments": {"public": ("public_network_access", "properties.publicNetworkAccess")},
    "Microsoft.App/containerApps": {
        "http": ("ingress.0.allow_insecure_connections", "properties.configuration.ingress.allowInsecure"),
    },
    "Microsoft.Dashboard/grafana": {
        "public": ("public_network_access_enabled", "properties.publicNetworkAccess"),
        "keys": ("api_key_enabled", "properties.apiKey"),
    },
    "Microsoft.Monitor/accounts": {"public": ("public_network_access_enabled", "properties.publicNetworkAccess")},
    "Microsoft.Insights/components": {
        "public": ("internet_query_enabled", "properties.publicNetworkAccessForQuery"),
        "outside": ("internet_ingestion_enabled", "properties.publicNetworkAccessForIngestion"),
    },
    "Microsoft.Insights/privateLinkScopes": {
        "query": ("query_access_mode", "properties.accessModeSettings.queryAccessMode"),
        "ingestion mode": ("ingestion_access_mode", "properties.accessModeSettings.ingestionAccessMode"),
    },
    "Microsoft.Insights/dataCollectionEndpoints": {
        "public": ("public_network_access_enabled", "properties.networkAcls.publicNetworkAccess"),
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {
        "access": ("container_access_type", "properties.publicAccess"),
    },
    "Microsoft.Storage/storageAccounts/managementPolicies": {
        "cool": (
            "rule.0.actions.0.base_blob.0.tier_to_cool_after_days_since_modification_greater_than",
            "properties.policy.rules.0.definition.actions.baseBlob.tierToCool.daysAfterModificationGreaterThan",
        ),
        "end": (
            "rule.0.actions.0.base_blob.0.delete_after_days_since_modification_greater_than",
            "properties.policy.rules.0.definition.actions.baseBlob.delete.daysAfterModificationGreaterThan",
        ),
    },
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials": {
        "subject": ("subject", "properties.subject"),
        "issuer": ("issuer", "properties.issuer"),
        "audience": ("audience.0", "properties.audiences.0"),
    },
    "Microsoft.Authorization/roleDefinitions": {
        "actions": ("permissions.0.actions", "properties.permissions.0.actions"),
        "called": ("properties.roleName", "name"),
    },
    "Microsoft.Consumption/budgets": {"amount": ("amount", "properties.amount")},
}
WORDS = {"enabled": True, "disabled": False, "none": "private"}


@dataclass(frozen=True)
class Settings:
    """The settings of one resource, None where nothing is said."""

    resource: Resource
    values: dict[str, Any]


def settings_of(deployment: Deployment) -> list[Settings]:
    """Return the settings of all resources of whose kind any are known."""
    known = {kind.lower(): table for kind, table in SETTINGS.items()}
    found = [one for one in deployment.resources if one.kind.lower() in known]
    return [Settings(one, _values(one, known[one.kind.lower()])) for one in found]


def price_of(deployment: Deployment, prices: Prices) -> dict[str, float]:
    """Return what each kind costs a month at most: equal sizes, tiers and nodes cost the same in both languages."""
    sums: dict[str, float] = {}
    for one in deployment.resources:
        costs = estimate([Change(CREATE, one.kind, one.id, {}, one.attributes)], prices)
        kind = one.kind.lower()
        sums[kind] = round(sums.get(kind, 0.0) + costs.most, 2)
    return {kind: price for kind, price in sums.items() if price}


def _values(one: Resource, table: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    return {name: next(filter(_said, (_at(one, path) for path in paths)), None) for name, paths in table.items()}


def _said(value: Any) -> bool:
    return value is not None


def _at(one: Resource, path: str) -> Any:
    value = value_at(one.attributes, path.removeprefix("!"))
    value = WORDS.get(value.lower(), text_of(value)) if isinstance(value, str) else value
    return not value if path.startswith("!") and value is not None else value
