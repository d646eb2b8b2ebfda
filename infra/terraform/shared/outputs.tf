output "subscription" {
  description = "The subscription's id."
  value       = data.azurerm_client_config.current.subscription_id
}

output "resource_group" {
  description = "What stages are told as shared_resource_group."
  value       = azurerm_resource_group.shared.name
}

output "registry" {
  description = "The Azure ML registry's name: azureml.registry of stage files."
  value       = module.mlregistry.name
}

output "image_registry" {
  description = "The host of the registry for images of versions: the first part of images.registry."
  value       = module.images.login_server
}

output "metrics" {
  description = "The resource id of the Azure Monitor workspace that clusters send metrics to."
  value       = module.observability.metrics
}

output "grafana_url" {
  description = "Where dashboards are; infra/monitoring says how they come there."
  value       = module.observability.grafana_url
}
