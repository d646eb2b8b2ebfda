output "id" {
  description = "The environment's resource id."
  value       = azurerm_container_app_environment.one.id
}

output "url" {
  description = "Where the app answers; empty while it has no image."
  value       = join("", [for app in azurerm_container_app.one : "https://${var.name}.${azurerm_container_app_environment.one.default_domain}"])
}
