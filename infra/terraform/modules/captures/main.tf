# Frames that cameras kept for retraining (`capture.to` of a stream's configuration), and their end.
resource "azurerm_storage_account" "one" {
  name                = var.name
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags

  account_tier                    = "Standard"
  account_replication_type        = "LRS"
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

  # No versions: what the rule below deletes has to be gone, but for a week to notice a mistake.
  blob_properties {
    delete_retention_policy {
      days = 7
    }
    container_delete_retention_policy {
      days = 7
    }
  }
}

resource "azurerm_storage_container" "captured" {
  name                  = "captured"
  storage_account_id    = azurerm_storage_account.one.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "one" {
  storage_account_id = azurerm_storage_account.one.id

  rule {
    name    = "captured"
    enabled = true

    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["captured/"]
    }

    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = var.cool_days
        delete_after_days_since_modification_greater_than       = var.keep_days
      }
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
  for_each = toset(var.place.private ? ["blob"] : [])

  name   = var.name
  part   = each.key
  target = azurerm_storage_account.one.id
  zones  = [each.key]
  place  = var.place
}
