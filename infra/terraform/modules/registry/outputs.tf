output "id" {
  description = "The registry's resource id."
  value       = azurerm_container_registry.one.id
}

output "name" {
  description = "The registry's name."
  value       = azurerm_container_registry.one.name
}

output "login_server" {
  description = "The host that images are pulled from."
  value       = azurerm_container_registry.one.login_server
}
