output "ids" {
  description = "Resource ids by identity."
  value       = { for key, one in azurerm_user_assigned_identity.one : key => one.id }
}

output "principals" {
  description = "Principal ids by identity: what roles are given to."
  value       = { for key, one in azurerm_user_assigned_identity.one : key => one.principal_id }
}

output "clients" {
  description = "Client ids by identity: what tokens are asked for."
  value       = { for key, one in azurerm_user_assigned_identity.one : key => one.client_id }
}
