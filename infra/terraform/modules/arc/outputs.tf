output "id" {
  description = "The cluster's resource id."
  value       = var.cluster
}

output "name" {
  description = "The cluster's name."
  value       = regex("[^/]+$", var.cluster)
}
