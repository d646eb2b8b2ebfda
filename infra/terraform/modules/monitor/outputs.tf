output "logs" {
  description = "The resource id of the Log Analytics workspace."
  value       = azurerm_log_analytics_workspace.one.id
}

output "insights" {
  description = "The resource id of Application Insights."
  value       = azurerm_application_insights.one.id
}
