# Azure ML's registry: versions, environments and components that the workspaces of all stages share.
terraform {
  required_providers {
    azapi = {
      source = "azure/azapi"
    }
  }
}

resource "azapi_resource" "one" {
  type      = "Microsoft.MachineLearningServices/registries@2025-06-01"
  name      = var.name
  parent_id = var.resource_group_id
  location  = var.location
  tags      = var.tags

  identity {
    type = "SystemAssigned"
  }

  # Storage and image registry are Azure ML's own, in a resource group that it manages.
  body = {
    properties = {
      publicNetworkAccess = var.private ? "Disabled" : "Enabled"
      regionDetails = [{
        location = var.location
        acrDetails = [{
          systemCreatedAcrAccount = { acrAccountSku = "Premium" }
        }]
        storageAccountDetails = [{
          systemCreatedStorageAccount = {
            storageAccountType       = "Standard_LRS"
            storageAccountHnsEnabled = false
            allowBlobPublicAccess    = false
          }
        }]
      }]
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azapi_resource.one.id
  log_analytics_workspace_id = var.logs

  enabled_log {
    category_group = "allLogs"
  }
}
