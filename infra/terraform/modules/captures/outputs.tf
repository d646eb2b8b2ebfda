output "id" {
  description = "The account's resource id."
  value       = azurerm_storage_account.one.id
}

output "name" {
  description = "The account's name."
  value       = azurerm_storage_account.one.name
}

output "container" {
  description = "The container's address: `capture.to` of a stream's configuration."
  value       = "${azurerm_storage_account.one.primary_blob_endpoint}${azurerm_storage_container.captured.name}"
}
