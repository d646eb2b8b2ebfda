# A stage: everything in one resource group. Modules that clusters need are in clusters.tf.
data "azurerm_client_config" "current" {}

locals {
  tags       = merge(var.tags, { project = var.name, stage = var.stage }, var.ttl == "" ? {} : { ttl = var.ttl })
  production = var.stage == "production"

  subscription = "/subscriptions/${data.azurerm_client_config.current.subscription_id}"
  shared       = var.shared_resource_group == "" ? "" : "${local.subscription}/resourceGroups/${var.shared_resource_group}/providers"
  shared_ids = local.shared == "" ? {} : {
    shared_group    = "${local.subscription}/resourceGroups/${var.shared_resource_group}"
    shared_registry = "${local.shared}/Microsoft.MachineLearningServices/registries/${local.shared_names.registry}"
    shared_images   = "${local.shared}/Microsoft.ContainerRegistry/registries/${local.shared_names.images}"
  }
  shared_metrics = "${local.shared}/Microsoft.Monitor/accounts/${local.shared_names.metrics}"
  shared_boards  = "${local.shared}/Microsoft.Dashboard/grafana/${local.shared_names.dashboards}"
}

locals {
  image_registry = local.shared == "" ? module.registry.login_server : "${local.shared_names.images}.azurecr.io"
}

resource "azurerm_resource_group" "stage" {
  name     = local.names.resource_group
  location = var.location
  tags     = local.tags
}

locals {
  # What every family is told about its place.
  place = {
    resource_group = azurerm_resource_group.stage.name
    location       = var.location
    tags           = local.tags
    private        = var.private
    subnet         = one(module.network[*].subnets.endpoints)
    zones          = var.private ? module.network[0].zones : {}
    logs           = module.monitor.logs
  }
}

module "network" {
  source = "../modules/network"
  count  = var.private ? 1 : 0

  name           = local.names.network
  resource_group = azurerm_resource_group.stage.name
  location       = var.location
  tags           = local.tags
  address_space  = var.address_space
  ci_system      = var.ci_system
}

module "monitor" {
  source = "../modules/monitor"

  names          = local.names
  resource_group = azurerm_resource_group.stage.name
  location       = var.location
  tags           = local.tags
  production     = local.production
  private        = var.private
}

module "identity" {
  source = "../modules/identity"

  names          = local.names
  resource_group = azurerm_resource_group.stage.name
  location       = var.location
  tags           = local.tags
  issuer         = var.issuer == "" && local.on_github ? "https://token.actions.githubusercontent.com" : var.issuer
  makes_shared   = local.makes_shared

  subjects = {
    ci         = var.subject == "" && local.on_github ? "repo:${var.git_repository}:environment:${var.stage}" : var.subject
    infra      = var.infra_subject == "" && local.on_github ? "repo:${var.git_repository}:environment:infra-${var.stage}" : var.infra_subject
    operations = var.operations_subject == "" && local.on_github ? "repo:${var.git_repository}:environment:operations" : var.operations_subject
    plan       = var.plan_subject == "" && local.on_github ? "repo:${var.git_repository}:environment:plan" : var.plan_subject
  }
}

# Who looks at every stage, and who plans every stage, made by the first one.
data "azurerm_user_assigned_identity" "operations" {
  count = local.makes_shared || var.operations_principal != "" ? 0 : 1

  name                = local.names.operations
  resource_group_name = "rg-${var.name}-dev"
}

data "azurerm_user_assigned_identity" "plan" {
  count = local.makes_shared || var.plan_principal != "" ? 0 : 1

  name                = local.names.plan
  resource_group_name = "rg-${var.name}-dev"
}

locals {
  makes_shared         = var.stage == "dev"
  gives_shared         = local.makes_shared || (var.operations_principal != "" && !var.shared_rights_given)
  on_github            = var.ci_system == "github"
  operations_of_dev    = one(data.azurerm_user_assigned_identity.operations[*].principal_id)
  operations_elsewhere = var.operations_principal == "" ? local.operations_of_dev : var.operations_principal
  scoring              = var.scores_batches ? { scoring = local.operations } : {}
  operations           = local.makes_shared ? module.identity.principals.operations : local.operations_elsewhere
  plan_of_dev          = one(data.azurerm_user_assigned_identity.plan[*].principal_id)
  plan_elsewhere       = var.plan_principal == "" ? local.plan_of_dev : var.plan_principal
  planner              = local.makes_shared ? module.identity.principals.plan : local.plan_elsewhere
}

module "storage" {
  source = "../modules/storage"

  name       = local.names.storage
  place      = local.place
  production = local.production
}

module "keyvault" {
  source = "../modules/keyvault"

  name       = local.names.key_vault
  place      = local.place
  tenant     = data.azurerm_client_config.current.tenant_id
  production = local.production
}

module "registry" {
  source = "../modules/registry"

  name  = local.names.images
  place = local.place
}

module "workspace" {
  source = "../modules/workspace"

  name              = local.names.workspace
  place             = local.place
  resource_group_id = azurerm_resource_group.stage.id
  storage           = module.storage.id
  key_vault         = module.keyvault.id
  images            = module.registry.id
  insights          = module.monitor.insights
  shared_registry   = lookup(local.shared_ids, "shared_registry", "")
}

# What stages share, inside this stage's network.
module "shared_endpoints" {
  source = "../modules/privateendpoint"
  for_each = { for part, one in {
    amlregistry       = { name = local.shared_names.registry, target = lookup(local.shared_ids, "shared_registry", ""), zones = ["api"] }
    registry          = { name = local.shared_names.images, target = lookup(local.shared_ids, "shared_images", ""), zones = ["registry"] }
    prometheusMetrics = { name = local.shared_names.metrics, target = local.shared_metrics, zones = ["prometheus"] }
    grafana           = { name = local.shared_names.dashboards, target = local.shared_boards, zones = ["grafana"] }
  } : part => one if var.shared_private }

  name   = each.value.name
  part   = each.key
  target = each.value.target
  zones  = each.value.zones
  place  = local.place
}

module "monitorscope" {
  source = "../modules/monitorscope"
  count  = var.private ? 1 : 0

  name      = local.names.monitor_scope
  resources = merge({ logs = module.monitor.logs, insights = module.monitor.insights }, local.collectors)
  place     = local.place
}

module "roles" {
  source = "../modules/roles"

  name    = local.names.workspace
  private = var.private
  # By the first stage, or in another subscription, which shares other things, by one of the stages there.
  given_elsewhere = local.gives_shared ? [] : ["operations", "plan"]
  principals = merge(module.identity.principals, local.cluster_principals, local.scoring, {
    operations = local.operations
    plan       = local.planner
    workspace  = module.workspace.principal
  })
  scopes = merge(local.shared_ids, local.cluster_scopes, {
    subscription   = "/subscriptions/${data.azurerm_client_config.current.subscription_id}"
    resource_group = azurerm_resource_group.stage.id
    workspace      = module.workspace.id
    storage        = module.storage.id
    key_vault      = module.keyvault.id
    images         = module.registry.id
    serving        = module.identity.ids.serving
  })
}

# A private cluster needs the managed network, whose endpoints the workspace may approve by its role.
module "compute" {
  source     = "../modules/compute"
  depends_on = [module.roles]

  workspace        = module.workspace.id
  location         = var.location
  tags             = local.tags
  private          = var.private
  identity         = module.identity.ids.jobs
  cpu_size         = var.cpu_size
  cpu_max_nodes    = var.cpu_max_nodes
  gpu_size         = var.gpu_size
  gpu_max_nodes    = var.gpu_max_nodes
  gpu_low_priority = var.gpu_low_priority
}

module "endpoints" {
  source     = "../modules/endpoints"
  depends_on = [module.roles]

  names     = local.names
  workspace = module.workspace.id
  location  = var.location
  tags      = local.tags
  private   = var.private
  identity  = module.identity.ids.serving
}

module "budget" {
  source = "../modules/budget"

  name           = local.names.budget
  resource_group = azurerm_resource_group.stage.id
  amount         = var.budget_amount
  contacts       = var.budget_contacts
  start          = var.budget_start
}

module "locks" {
  source = "../modules/locks"
  count  = var.lock ? 1 : 0

  scopes = {
    storage   = module.storage.id
    key_vault = module.keyvault.id
    images    = module.registry.id
    captures  = module.captures.id
    logs      = module.monitor.logs
  }
}
