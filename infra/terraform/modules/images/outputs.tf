output "id" {
  description = "The registry's resource id."
  value       = azurerm_container_registry.one.id
}

output "login_server" {
  description = "The host that images are pulled from: the first part of images.registry of stage files."
  value       = azurerm_container_registry.one.login_server
}
