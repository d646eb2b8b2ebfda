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

output "collector" {
  description = "The resource id of what takes the cluster's metrics; empty: nothing does."
  value       = join("", azurerm_monitor_data_collection_endpoint.one[*].id)
}
