# The Azure ML workspace. Its datastores are opened by the identity of whoever reads, never by a key.
terraform {
  required_providers {
    azapi = {
      source = "azure/azapi"
    }
  }
}

locals {
  hosts = { for row in yamldecode(file("${path.module}/../../../egress.yaml")) : row.name => {
    type        = "FQDN"
    category    = "UserDefined"
    destination = row.host
  } }
  shared = { for registry in compact([var.shared_registry]) : "shared-registry" => {
    type     = "PrivateEndpoint"
    category = "UserDefined"
    destination = {
      serviceResourceId = registry
      subresourceTarget = "amlregistry"
      sparkEnabled      = false
    }
  } }

  managed_network = {
    isolationMode = "AllowOnlyApprovedOutbound"
    firewallSku   = "Basic"
    outboundRules = merge(local.hosts, local.shared)
  }
  # Once a workspace has a managed network it keeps it, so a public one gets none.
  no_network = { isolationMode = "Disabled" }
}

resource "azapi_resource" "one" {
  type      = "Microsoft.MachineLearningServices/workspaces@2025-06-01"
  name      = var.name
  parent_id = var.resource_group_id
  location  = var.place.location
  tags      = var.place.tags

  identity {
    type = "SystemAssigned"
  }

  ignore_null_property = true
  body = {
    kind = "Default"
    sku  = { name = "Basic", tier = "Basic" }
    properties = {
      friendlyName             = var.name
      storageAccount           = var.storage
      keyVault                 = var.key_vault
      containerRegistry        = var.images
      applicationInsights      = var.insights
      systemDatastoresAuthMode = "Identity"
      publicNetworkAccess      = var.place.private ? "Disabled" : "Enabled"
      # Azure's own builders can't reach a private registry.
      imageBuildCompute = var.place.private ? "cpu-cluster" : null
      v1LegacyMode      = false
      managedNetwork    = [local.no_network, local.managed_network][var.place.private ? 1 : 0]
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azapi_resource.one.id
  log_analytics_workspace_id = var.place.logs

  enabled_log {
    category_group = "allLogs"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}

module "privateendpoint" {
  source   = "../privateendpoint"
  for_each = toset(var.place.private ? ["amlworkspace"] : [])

  name   = var.name
  part   = each.key
  target = azapi_resource.one.id
  zones  = ["api", "notebooks"]
  place  = var.place
}
