output "locked" {
  description = "What is locked."
  value       = keys(azurerm_management_lock.one)
}
