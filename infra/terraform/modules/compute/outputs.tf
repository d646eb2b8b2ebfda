output "clusters" {
  description = "The clusters' names."
  value       = keys(azurerm_machine_learning_compute_cluster.one)
}
