# Role assignments, as infra/roles.yaml lists them.
locals {
  rows = { for row in yamldecode(file("${path.module}/../../../roles.yaml")) :
    "${row.identity}: ${row.role} on ${row.scope}" => row
    if contains(keys(var.principals), row.identity) && contains(keys(var.scopes), row.scope)
    && (var.private || !lookup(row, "private", false))
  }
}

resource "azurerm_role_assignment" "one" {
  for_each = local.rows

  scope                = var.scopes[each.value.scope]
  role_definition_name = each.value.role
  principal_id         = var.principals[each.value.identity]
  principal_type       = "ServicePrincipal"
  description          = each.value.step
}
