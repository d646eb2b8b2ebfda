# The workspace's secrets, opened by roles only.
resource "azurerm_key_vault" "one" {
  name                = var.name
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags

  tenant_id                     = var.tenant
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = var.production
  soft_delete_retention_days    = var.production ? 90 : 7
  public_network_access_enabled = !var.place.private

  network_acls {
    default_action = var.place.private ? "Deny" : "Allow"
    bypass         = "AzureServices"
  }
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azurerm_key_vault.one.id
  log_analytics_workspace_id = var.place.logs

  enabled_log {
    category_group = "audit"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}

module "privateendpoint" {
  source   = "../privateendpoint"
  for_each = toset(var.place.private ? ["vault"] : [])

  name   = var.name
  part   = each.key
  target = azurerm_key_vault.one.id
  zones  = [each.key]
  place  = var.place
}
