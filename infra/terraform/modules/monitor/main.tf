# Where logs and traces of the stage go.
resource "azurerm_log_analytics_workspace" "one" {
  name                = var.names["logs"]
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags

  sku                          = "PerGB2018"
  retention_in_days            = var.production ? 90 : 30
  local_authentication_enabled = false
  internet_ingestion_enabled   = !var.private
  internet_query_enabled       = !var.private
}

# Azure ML's endpoints send with this component's key, so its local authentication stays on; and from machines of Azure's,
# outside the stage's network, so it takes what comes from outside. Who asks it what it knows has to be inside.
resource "azurerm_application_insights" "one" {
  name                = var.names["insights"]
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags

  application_type           = "web"
  workspace_id               = azurerm_log_analytics_workspace.one.id
  internet_ingestion_enabled = true
  internet_query_enabled     = !var.private
}

resource "azurerm_monitor_diagnostic_setting" "logs" {
  name                       = "logs"
  target_resource_id         = azurerm_log_analytics_workspace.one.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.one.id

  enabled_log {
    category_group = "audit"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}
