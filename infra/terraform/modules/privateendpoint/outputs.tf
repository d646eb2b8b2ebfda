output "id" {
  description = "The private endpoint's resource id."
  value       = azurerm_private_endpoint.one.id
}
