# A cluster as a compute of the workspace, once the workspace has its roles on it.
terraform {
  required_providers {
    azapi = {
      source = "azure/azapi"
    }
  }
}

resource "azapi_resource" "one" {
  type      = "Microsoft.MachineLearningServices/workspaces/computes@2025-06-01"
  name      = "aks"
  parent_id = var.workspace
  location  = var.location
  tags      = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity]
  }

  body = {
    properties = {
      computeType      = "Kubernetes"
      disableLocalAuth = true
      resourceId       = var.cluster
      properties = {
        namespace           = "default"
        defaultInstanceType = "defaultinstancetype"
      }
    }
  }
}
