# Who acts: CI in pipelines, infra where they apply this folder, jobs on clusters, serving in endpoints and pods. For
# all stages, made once: operations, which looks at what runs, and plan, which asks what would change. No secrets.
# Without an issuer and a subject nobody is trusted here, and a credential that is there already stays as it is.
locals {
  made     = toset(concat(["ci", "infra", "jobs", "serving"], var.makes_shared ? ["operations", "plan"] : []))
  subjects = var.issuer == "" ? {} : { for who, subject in var.subjects : who => subject if subject != "" }
}

resource "azurerm_user_assigned_identity" "one" {
  for_each = local.made

  name                = var.names[each.key]
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "one" {
  for_each = { for who, subject in local.subjects : who => subject if contains(local.made, who) }

  name                = "ci"
  resource_group_name = var.resource_group
  parent_id           = azurerm_user_assigned_identity.one[each.key].id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = var.issuer
  subject             = each.value
}
