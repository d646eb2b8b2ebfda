output "id" {
  description = "The workspace's resource id."
  value       = azapi_resource.one.id
}

output "name" {
  description = "The workspace's name."
  value       = azapi_resource.one.name
}

output "principal" {
  description = "The principal id of the workspace's own identity."
  value       = azapi_resource.one.identity[0].principal_id
}
