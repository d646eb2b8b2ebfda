output "given" {
  description = "The assignments that were made: identity, role, scope."
  value       = keys(azurerm_role_assignment.one)
}
