# Alerts by mail when the stage's costs reach a share of the budget, or are forecast to pass it.
locals {
  alerts = {
    half     = { threshold = 50, type = "Actual" }
    most     = { threshold = 80, type = "Actual" }
    all      = { threshold = 100, type = "Actual" }
    forecast = { threshold = 100, type = "Forecasted" }
  }
}

resource "azurerm_consumption_budget_resource_group" "one" {
  name              = var.name
  resource_group_id = var.resource_group
  amount            = var.amount
  time_grain        = "Monthly"

  time_period {
    start_date = "${var.start}T00:00:00Z"
  }

  dynamic "notification" {
    for_each = local.alerts

    content {
      operator       = "GreaterThanOrEqualTo"
      threshold      = notification.value.threshold
      threshold_type = notification.value.type
      contact_emails = var.contacts
    }
  }
}
