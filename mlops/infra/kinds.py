"""What Azure calls the kinds of resources that Terraform's azurerm provider has other names for."""

from __future__ import annotations

AZURERM = {
    "resource_group": "Microsoft.Resources/resourceGroups",
    "storage_account": "Microsoft.Storage/storageAccounts",
    "storage_container": "Microsoft.Storage/storageAccounts/blobServices/containers",
    "storage_management_policy": "Microsoft.Storage/storageAccounts/managementPolicies",
    "key_vault": "Microsoft.KeyVault/vaults",
    "container_registry": "Microsoft.ContainerRegistry/registries",
    "log_analytics_workspace": "Microsoft.OperationalInsights/workspaces",
    "application_insights": "Microsoft.Insights/components",
    "monitor_diagnostic_setting": "Microsoft.Insights/diagnosticSettings",
    "monitor_action_group": "Microsoft.Insights/actionGroups",
    "monitor_data_collection_rule": "Microsoft.Insights/dataCollectionRules",
    "monitor_data_collection_endpoint": "Microsoft.Insights/dataCollectionEndpoints",
    "monitor_data_collection_rule_association": "Microsoft.Insights/dataCollectionRuleAssociations",
    "monitor_workspace": "Microsoft.Monitor/accounts",
    "monitor_alert_prometheus_rule_group": "Microsoft.AlertsManagement/prometheusRuleGroups",
    "monitor_private_link_scope": "Microsoft.Insights/privateLinkScopes",
    "monitor_private_link_scoped_service": "Microsoft.Insights/privateLinkScopes/scopedResources",
    "dashboard_grafana": "Microsoft.Dashboard/grafana",
    "dashboard_grafana_managed_private_endpoint": "Microsoft.Dashboard/grafana/managedPrivateEndpoints",
    "machine_learning_workspace": "Microsoft.MachineLearningServices/workspaces",
    "machine_learning_workspace_network_outbound_rule_fqdn": (
        "Microsoft.MachineLearningServices/workspaces/outboundRules"
    ),
    "machine_learning_workspace_network_outbound_rule_service_tag": (
        "Microsoft.MachineLearningServices/workspaces/outboundRules"
    ),
    "machine_learning_workspace_network_outbound_rule_private_endpoint": (
        "Microsoft.MachineLearningServices/workspaces/outboundRules"
    ),
    "machine_learning_compute_cluster": "Microsoft.MachineLearningServices/workspaces/computes",
    "machine_learning_inference_cluster": "Microsoft.MachineLearningServices/workspaces/computes",
    "machine_learning_datastore_blobstorage": "Microsoft.MachineLearningServices/workspaces/datastores",
    "machine_learning_registry": "Microsoft.MachineLearningServices/registries",
    "kubernetes_cluster": "Microsoft.ContainerService/managedClusters",
    "kubernetes_cluster_node_pool": "Microsoft.ContainerService/managedClusters/agentPools",
    "kubernetes_cluster_trusted_access_role_binding": (
        "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings"
    ),
    "kubernetes_cluster_extension": "Microsoft.KubernetesConfiguration/extensions",
    "kubernetes_flux_configuration": "Microsoft.KubernetesConfiguration/fluxConfigurations",
    "arc_kubernetes_cluster_extension": "Microsoft.KubernetesConfiguration/extensions",
    "arc_kubernetes_flux_configuration": "Microsoft.KubernetesConfiguration/fluxConfigurations",
    "user_assigned_identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "federated_identity_credential": ("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"),
    "role_definition": "Microsoft.Authorization/roleDefinitions",
    "role_assignment": "Microsoft.Authorization/roleAssignments",
    "management_lock": "Microsoft.Authorization/locks",
    "virtual_network": "Microsoft.Network/virtualNetworks",
    "subnet": "Microsoft.Network/virtualNetworks/subnets",
    "network_security_group": "Microsoft.Network/networkSecurityGroups",
    "subnet_network_security_group_association": "Microsoft.Network/virtualNetworks/subnets",
    "subnet_nat_gateway_association": "Microsoft.Network/virtualNetworks/subnets",
    "private_endpoint": "Microsoft.Network/privateEndpoints",
    "private_dns_zone": "Microsoft.Network/privateDnsZones",
    "private_dns_zone_virtual_network_link": "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "public_ip": "Microsoft.Network/publicIPAddresses",
    "nat_gateway": "Microsoft.Network/natGateways",
    "consumption_budget_resource_group": "Microsoft.Consumption/budgets",
    "container_app_environment": "Microsoft.App/managedEnvironments",
    "container_app": "Microsoft.App/containerApps",
}


def azure_kind(terraform_type: str, state: object) -> str:
    """Return Azure's name of a Terraform resource's kind, its own name where there is none here.

    A resource of the azapi provider says Azure's name itself, with the version of the API behind an @; what only
    changes a resource that stands elsewhere (azapi_update_resource) is none of its own.
    """
    if terraform_type == "azapi_resource" and isinstance(state, dict) and state.get("type"):
        return str(state["type"]).partition("@")[0]
    return AZURERM.get(terraform_type.removeprefix("azurerm_"), terraform_type)
