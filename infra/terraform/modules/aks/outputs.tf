output "id" {
  description = "The cluster's resource id."
  value       = azurerm_kubernetes_cluster.one.id
}

output "name" {
  description = "The cluster's name."
  value       = azurerm_kubernetes_cluster.one.name
}

output "nodes" {
  description = "The principal id of the nodes' identity, which pulls images."
  value       = azurerm_user_assigned_identity.nodes.principal_id
}
