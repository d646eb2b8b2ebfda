output "metrics" {
  description = "The resource id of the Azure Monitor workspace."
  value       = azurerm_monitor_workspace.one.id
}

output "logs" {
  description = "The resource id of the Log Analytics workspace."
  value       = azurerm_log_analytics_workspace.one.id
}

output "grafana_url" {
  description = "Where dashboards are."
  value       = azurerm_dashboard_grafana.one.endpoint
}
