# What all stages share, deployed once, before them.
data "azurerm_client_config" "current" {}

locals {
  tags = merge(var.tags, { project = var.name, stage = "shared" })
}

resource "azurerm_resource_group" "shared" {
  name     = local.names.resource_group
  location = var.location
  tags     = local.tags
}

module "observability" {
  source = "../modules/observability"

  project        = var.name
  names          = local.names
  resource_group = azurerm_resource_group.shared.name
  location       = var.location
  tags           = local.tags
  private        = var.private
  contacts       = var.alert_contacts
  viewers        = var.dashboard_viewers
}

module "mlregistry" {
  source = "../modules/mlregistry"

  name              = local.names.registry
  resource_group_id = azurerm_resource_group.shared.id
  location          = var.location
  tags              = local.tags
  private           = var.private
  logs              = module.observability.logs
}

module "images" {
  source = "../modules/images"

  name           = local.names.images
  resource_group = azurerm_resource_group.shared.name
  location       = var.location
  tags           = local.tags
  private        = var.private
  logs           = module.observability.logs
}

module "budget" {
  source = "../modules/budget"

  name           = "budget-${var.name}-shared"
  resource_group = azurerm_resource_group.shared.id
  amount         = var.budget_amount
  contacts       = var.alert_contacts
  start          = var.budget_start
}

module "locks" {
  source = "../modules/locks"
  count  = var.lock ? 1 : 0

  scopes = {
    registry = module.mlregistry.id
    images   = module.images.id
    metrics  = module.observability.metrics
    logs     = module.observability.logs
  }
}
