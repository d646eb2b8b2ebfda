output "id" {
  description = "The vault's resource id."
  value       = azurerm_key_vault.one.id
}

output "name" {
  description = "The vault's name."
  value       = azurerm_key_vault.one.name
}
