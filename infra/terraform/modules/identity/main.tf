# Who acts: CI in pipelines, jobs on clusters, serving in endpoints and pods; operations reads every stage and is made
# once. None of them has a secret.
locals {
  roles = toset(concat(["ci", "jobs", "serving"], var.makes_operations ? ["operations"] : []))
}

resource "azurerm_user_assigned_identity" "one" {
  for_each = local.roles

  name                = var.names[each.key]
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "ci" {
  name                = "ci"
  resource_group_name = var.resource_group
  parent_id           = azurerm_user_assigned_identity.one["ci"].id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = var.issuer
  subject             = var.subject
}

resource "azurerm_federated_identity_credential" "operations" {
  count = var.makes_operations && var.operations_subject != "" ? 1 : 0

  name                = "ci"
  resource_group_name = var.resource_group
  parent_id           = azurerm_user_assigned_identity.one["operations"].id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = var.issuer
  subject             = var.operations_subject
}
