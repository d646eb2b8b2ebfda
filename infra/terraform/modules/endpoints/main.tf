# Shells of the endpoints: name, identity, who may ask. What they serve and how traffic is split is the release's.
terraform {
  required_providers {
    azapi = {
      source = "azure/azapi"
    }
  }
}

locals {
  # Traffic and default deployment are part of the same resource: writing it again would take them away.
  endpoints = {
    online = {
      type = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints@2025-06-01"
      name = var.names["online_endpoint"]
      kind = "Managed"
      properties = {
        authMode            = "AADToken"
        publicNetworkAccess = var.private ? "Disabled" : "Enabled"
      }
    }
    batch = {
      type       = "Microsoft.MachineLearningServices/workspaces/batchEndpoints@2025-06-01"
      name       = var.names["batch_endpoint"]
      kind       = null
      properties = { authMode = "AADToken" }
    }
  }
}

resource "azapi_resource" "one" {
  for_each = local.endpoints

  type      = each.value.type
  name      = each.value.name
  parent_id = var.workspace
  location  = var.location
  tags      = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity]
  }

  ignore_null_property = true
  body                 = { kind = each.value.kind, properties = each.value.properties }

  lifecycle {
    ignore_changes = all
  }
}
