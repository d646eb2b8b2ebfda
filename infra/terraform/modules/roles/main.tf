# Role assignments, as infra/roles.yaml lists them, and the roles in it that Azure does not have.
locals {
  rows = { for row in yamldecode(file("${path.module}/../../../roles.yaml")) :
    "${row.identity}: ${row.role} on ${row.scope}" => row
    if contains(keys(var.principals), row.identity) && contains(keys(var.scopes), row.scope)
    && (var.private || !lookup(row, "private", false))
    && !(contains(var.given_elsewhere, row.identity) && startswith(row.scope, "shared_"))
  }
  own  = { for key, row in local.rows : key => row if contains(keys(row), "actions") }
  made = { for key, one in azurerm_role_definition.one : key => one.role_definition_resource_id }
}

resource "azurerm_role_definition" "one" {
  for_each = local.own

  name        = "${each.value.role} of ${var.name}"
  scope       = var.scopes[each.value.scope == "subscription" ? "subscription" : "resource_group"]
  description = each.value.step

  permissions {
    actions = each.value.actions
  }
}

resource "azurerm_role_assignment" "one" {
  for_each = local.rows

  scope                = var.scopes[each.value.scope]
  role_definition_name = contains(keys(local.own), each.key) ? null : each.value.role
  role_definition_id   = lookup(local.made, each.key, null)
  principal_id         = var.principals[each.value.identity]
  principal_type       = "ServicePrincipal"
  description          = each.value.step
}
