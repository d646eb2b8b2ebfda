output "subscription" {
  description = "The subscription's id: azureml.subscription."
  value       = data.azurerm_client_config.current.subscription_id
}

output "tenant" {
  description = "The tenant's id: CI's variable AZURE_TENANT_ID."
  value       = data.azurerm_client_config.current.tenant_id
}

output "resource_group" {
  description = "The stage's resource group: azureml.resource_group."
  value       = azurerm_resource_group.stage.name
}

output "workspace" {
  description = "The workspace's name: azureml.workspace."
  value       = module.workspace.name
}

output "registry" {
  description = "The shared Azure ML registry's name: azureml.registry; empty where each stage keeps its versions."
  value       = var.shared_resource_group == "" ? "" : local.shared_names.registry
}

output "image_registry" {
  description = "The host of the registry for images of versions: the first part of images.registry."
  value       = local.image_registry
}

output "key_vault" {
  description = "The key vault's name, where report_secret lies."
  value       = module.keyvault.name
}

output "captures_account" {
  description = "The account of captured frames."
  value       = module.captures.name
}

output "captures" {
  description = "Where streams keep frames: capture.to of their configuration."
  value       = module.captures.container
}

output "kubernetes_cluster" {
  description = "The cluster's name; empty: none."
  value       = join("", concat(module.aks[*].name, module.arc[*].name))
}

output "kubernetes_namespace" {
  description = "The stage's namespace there: kubernetes.namespace; its service account acts as the serving identity."
  value       = local.names.namespace
}

output "online_endpoint" {
  description = "The online endpoint's name: azureml.online.endpoint."
  value       = module.endpoints.online
}

output "batch_endpoint" {
  description = "The batch endpoint's name: azureml.batch.endpoint."
  value       = module.endpoints.batch
}

output "ci_client_id" {
  description = "The identity of CI: its variable AZURE_CLIENT_ID."
  value       = module.identity.clients.ci
}

output "jobs_client_id" {
  description = "The identity of jobs on the clusters."
  value       = module.identity.clients.jobs
}

output "serving_client_id" {
  description = "The identity of what serves: the annotation of its service account."
  value       = module.identity.clients.serving
}
