# Images of versions that a stage let in: copied here by digest, pulled by every stage after it.
resource "azurerm_container_registry" "one" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags

  # Only this tier has private endpoints; each private stage brings its own.
  sku                           = var.private ? "Premium" : "Standard"
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = !var.private
  network_rule_bypass_option    = "AzureServices"
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azurerm_container_registry.one.id
  log_analytics_workspace_id = var.logs

  enabled_log {
    category_group = "audit"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}
