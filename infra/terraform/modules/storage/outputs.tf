output "id" {
  description = "The account's resource id."
  value       = azurerm_storage_account.one.id
}

output "name" {
  description = "The account's name."
  value       = azurerm_storage_account.one.name
}
