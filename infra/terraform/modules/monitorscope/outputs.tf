output "id" {
  description = "The scope's resource id."
  value       = azurerm_monitor_private_link_scope.one.id
}
