output "id" {
  description = "The registry's resource id."
  value       = azapi_resource.one.id
}

output "name" {
  description = "The registry's name: azureml.registry of stage files."
  value       = azapi_resource.one.name
}
