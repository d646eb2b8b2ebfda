# Clusters, captured frames and the sandbox, and what roles are given on them.
locals {
  cluster_scopes = merge(
    { captures = module.captures.id },
    var.kubernetes == "aks" ? { kubernetes = module.aks[0].id } : {},
  )
  collectors         = var.kubernetes == "aks" && local.shared != "" ? { collector = module.aks[0].collector } : {}
  gitops_repository  = var.kubernetes == "none" ? "" : var.gitops_repository
  cluster_principals = var.kubernetes == "aks" ? { nodes = module.aks[0].nodes } : {}
}

module "captures" {
  source = "../modules/captures"

  name  = local.names.captures
  place = local.place
}

module "aks" {
  source = "../modules/aks"
  count  = var.kubernetes == "aks" ? 1 : 0

  name              = local.names.kubernetes
  stage             = var.stage
  place             = local.place
  production        = local.production
  tenant            = data.azurerm_client_config.current.tenant_id
  nodes_subnet      = one(module.network[*].subnets.nodes)
  cpu_size          = var.cpu_size
  cpu_max_nodes     = var.cpu_max_nodes
  gpu_size          = var.gpu_size
  gpu_max_nodes     = var.gpu_max_nodes
  serving           = module.identity.ids.serving
  namespace         = local.names.namespace
  workspace         = module.workspace.id
  machine_learning  = var.machine_learning
  gitops_repository = var.gitops_repository
  metrics           = local.shared == "" ? "" : local.shared_metrics
}

module "attach" {
  source     = "../modules/attach"
  count      = var.kubernetes == "aks" && var.machine_learning ? 1 : 0
  depends_on = [module.roles, module.aks] # with its trusted access: what is attached before it is never reached

  workspace = module.workspace.id
  location  = var.location
  tags      = local.tags
  cluster   = module.aks[0].id
  identity  = module.identity.ids.serving
}

module "arc" {
  source = "../modules/arc"
  count  = var.kubernetes == "arc" ? 1 : 0

  cluster           = var.arc_cluster
  stage             = var.stage
  gitops_repository = var.gitops_repository
  machine_learning  = var.machine_learning
}

module "sandbox" {
  source = "../modules/sandbox"
  count  = var.sandbox ? 1 : 0

  name        = local.names.sandbox
  environment = local.names.sandbox_environment
  place       = local.place
  apps_subnet = one(module.network[*].subnets.sandbox)
  identity    = module.identity.ids.serving
  registry    = local.image_registry
  image       = var.sandbox_image
  callers     = var.sandbox_callers
}

output "sandbox_url" {
  description = "Where the sandbox answers; empty: it has no image, or there is none."
  value       = join("", module.sandbox[*].url)
}
