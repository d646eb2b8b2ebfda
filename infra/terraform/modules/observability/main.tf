# Where the metrics of all clusters go, who looks at them, and who is told.
resource "azurerm_log_analytics_workspace" "one" {
  name                = var.names.logs
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags

  sku                          = "PerGB2018"
  retention_in_days            = 90
  local_authentication_enabled = false
  internet_ingestion_enabled   = !var.private
  internet_query_enabled       = !var.private
}

# Numbers only, opened by roles. Clusters send them by collectors of their own; this is how they are asked for.
resource "azurerm_monitor_workspace" "one" {
  name                          = var.names.metrics
  resource_group_name           = var.resource_group
  location                      = var.location
  tags                          = var.tags
  public_network_access_enabled = !var.private
}

# People come in by Entra only: it has no keys.
resource "azurerm_dashboard_grafana" "one" {
  name                          = var.names.dashboards
  resource_group_name           = var.resource_group
  location                      = var.location
  tags                          = var.tags
  sku                           = "Standard"
  grafana_major_version         = "11"
  api_key_enabled               = false
  public_network_access_enabled = !var.private

  identity {
    type = "SystemAssigned"
  }

  azure_monitor_workspace_integrations {
    resource_id = azurerm_monitor_workspace.one.id
  }
}

# By it Grafana asks what is closed to everybody outside. Who owns the metrics approves it once: infra/README.md.
resource "azurerm_dashboard_grafana_managed_private_endpoint" "metrics" {
  count = var.private ? 1 : 0

  name                         = "metrics"
  grafana_id                   = azurerm_dashboard_grafana.one.id
  location                     = var.location
  tags                         = var.tags
  private_link_resource_id     = azurerm_monitor_workspace.one.id
  private_link_resource_region = var.location
  group_ids                    = ["prometheusMetrics"]
}

resource "azurerm_role_assignment" "dashboards" {
  scope                = azurerm_monitor_workspace.one.id
  role_definition_name = "Monitoring Data Reader"
  principal_id         = azurerm_dashboard_grafana.one.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "viewers" {
  for_each = toset(var.viewers)

  scope                = azurerm_dashboard_grafana.one.id
  role_definition_name = "Grafana Viewer"
  principal_id         = each.value
}

resource "azurerm_monitor_diagnostic_setting" "grafana" {
  name                       = "logs"
  target_resource_id         = azurerm_dashboard_grafana.one.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.one.id

  enabled_log {
    category_group = "allLogs"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_monitor_action_group" "one" {
  name                = "ag-${var.project}"
  resource_group_name = var.resource_group
  short_name          = var.project
  tags                = var.tags

  dynamic "email_receiver" {
    for_each = var.contacts
    content {
      name                    = "contact-${email_receiver.key}"
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}
