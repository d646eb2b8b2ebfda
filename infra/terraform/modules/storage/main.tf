# The workspace's storage: data versions, code, outputs. Opened by roles only: its keys are switched off.
resource "azurerm_storage_account" "one" {
  name                = var.name
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags

  account_tier                    = "Standard"
  account_replication_type        = var.production ? "ZRS" : "LRS"
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  public_network_access_enabled   = !var.place.private

  network_rules {
    default_action = var.place.private ? "Deny" : "Allow"
    bypass         = ["AzureServices"]
  }

  blob_properties {
    delete_retention_policy {
      days = var.production ? 30 : 7
    }
    container_delete_retention_policy {
      days = var.production ? 30 : 7
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "blob" {
  name                       = "logs"
  target_resource_id         = "${azurerm_storage_account.one.id}/blobServices/default"
  log_analytics_workspace_id = var.place.logs

  enabled_log {
    category_group = "audit"
  }
  enabled_metric {
    category = "Transaction"
  }
}

module "privateendpoint" {
  source   = "../privateendpoint"
  for_each = toset(var.place.private ? ["blob", "file"] : [])

  name   = var.name
  part   = each.key
  target = azurerm_storage_account.one.id
  zones  = [each.key]
  place  = var.place
}
