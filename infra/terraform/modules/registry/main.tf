# Images of the stage: those of the environments, and where nothing is shared those of versions.
resource "azurerm_container_registry" "one" {
  name                = var.name
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags

  # Only this tier has private endpoints.
  sku                           = var.place.private ? "Premium" : "Standard"
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = !var.place.private
  network_rule_bypass_option    = "AzureServices"
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azurerm_container_registry.one.id
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
  for_each = toset(var.place.private ? ["registry"] : [])

  name   = var.name
  part   = each.key
  target = azurerm_container_registry.one.id
  zones  = [each.key]
  place  = var.place
}
