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

output "aks_cluster" {
  description = "The name of the AKS cluster that was made: kubernetes.aks; empty: none."
  value       = join("", module.aks[*].name)
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

output "online_auth" {
  description = "How the online endpoint lets callers in: azureml.online.auth."
  value       = module.endpoints.auth
}

# Text, also where it is a number: empty where there is none, which fill then leaves as it is.
output "cpu_size" {
  description = "The VM size of the CPU cluster: azureml.clusters.cpu-cluster.size."
  value       = var.cpu_size
}

output "cpu_max_nodes" {
  description = "The most nodes of the CPU cluster: azureml.clusters.cpu-cluster.max_nodes."
  value       = tostring(var.cpu_max_nodes)
}

output "gpu_size" {
  description = "The VM size of the GPU cluster: azureml.clusters.gpu-cluster.size; empty: there is none."
  value       = var.gpu_max_nodes > 0 ? var.gpu_size : ""
}

output "gpu_max_nodes" {
  description = "The most nodes of the GPU cluster: azureml.clusters.gpu-cluster.max_nodes; empty: there is none."
  value       = var.gpu_max_nodes > 0 ? tostring(var.gpu_max_nodes) : ""
}

output "gpu_low_priority" {
  description = "Whether Azure may take GPU nodes away: azureml.clusters.gpu-cluster.low_priority; empty: there are none."
  value       = var.gpu_max_nodes > 0 ? tostring(var.gpu_low_priority) : ""
}

output "gitops_repository" {
  description = "The repository that the stage's cluster follows: flux.repository; empty: none."
  value       = local.gitops_repository
}

output "gitops_path" {
  description = "The stage's folder there: flux.path; empty: none."
  value       = local.gitops_repository == "" ? "" : "clusters/${var.stage}"
}

output "operations_principal" {
  description = "The object id of the identity operations, for stages in other subscriptions."
  value       = local.operations
}

output "plan_principal" {
  description = "The object id of the identity plan, for stages in other subscriptions."
  value       = local.planner
}
