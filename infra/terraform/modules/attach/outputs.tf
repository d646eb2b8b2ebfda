output "name" {
  description = "The compute's name: azureml.online.compute."
  value       = azapi_resource.one.name
}
