# infra/monitoring/rules.yaml, as Azure runs it: 1m becomes PT1M, page and ticket become severities.
locals {
  groups   = { for group in yamldecode(file("${path.module}/../../../monitoring/rules.yaml")).groups : group.name => group }
  severity = { page = 1, ticket = 3 }
}

resource "azurerm_monitor_alert_prometheus_rule_group" "one" {
  for_each = local.groups

  name                = each.key
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
  interval            = "PT${upper(each.value.interval)}"
  scopes              = [azurerm_monitor_workspace.one.id]
  rule_group_enabled  = true

  dynamic "rule" {
    for_each = each.value.rules
    content {
      alert       = rule.value.alert
      expression  = rule.value.expr
      for         = "PT${upper(rule.value.for)}"
      severity    = local.severity[rule.value.labels.severity]
      labels      = rule.value.labels
      annotations = rule.value.annotations
      enabled     = true

      action {
        action_group_id = azurerm_monitor_action_group.one.id
      }
      alert_resolution {
        auto_resolved   = true
        time_to_resolve = "PT10M"
      }
    }
  }
}
