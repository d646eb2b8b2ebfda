# What all stages share: opened by roles, told of by one rules file, and kept.
mock_provider "azurerm" {}
mock_provider "azapi" {}

variables {
  name           = "vision"
  suffix         = "vl1"
  location       = "westeurope"
  private        = true
  alert_contacts = ["team@example.com"]
  budget_amount  = 200
  budget_start   = "2026-01-01"
  lock           = true
  tags           = { owner = "team" }

  project        = "vision"
  names          = { logs = "log-vision-shared", metrics = "amw-vision", dashboards = "amg-vision" }
  resource_group = "rg-vision-shared"
  contacts       = ["team@example.com"]
  viewers        = []
  logs           = "/logs"
}

run "every_alert_of_the_file_is_azures_too" {
  command = plan

  module {
    source = "../modules/observability"
  }

  assert {
    condition = toset(flatten([
      for group in azurerm_monitor_alert_prometheus_rule_group.one : group.rule[*].alert
      ])) == toset(flatten([
      for group in yamldecode(file("../../monitoring/rules.yaml")).groups : group.rules[*].alert
    ]))
    error_message = "Not every rule of infra/monitoring/rules.yaml became one of Azure's."
  }
  assert {
    condition = alltrue(flatten([
      for group in azurerm_monitor_alert_prometheus_rule_group.one : [
        for rule in group.rule : rule.severity == (rule.labels.severity == "page" ? 1 : 3) && startswith(rule.for, "PT")
      ]
    ]))
    error_message = "What wakes somebody is not severe, or Azure can't read how long it has to last."
  }
  assert {
    condition     = !azurerm_dashboard_grafana.one.api_key_enabled
    error_message = "Dashboards are opened by keys."
  }
  assert {
    condition     = !azurerm_dashboard_grafana.one.public_network_access_enabled && !azurerm_monitor_workspace.one.public_network_access_enabled
    error_message = "Private metrics or dashboards are reached from the internet."
  }
  assert {
    condition     = azurerm_dashboard_grafana_managed_private_endpoint.metrics[0].group_ids == tolist(["prometheusMetrics"])
    error_message = "Dashboards have no way to metrics that are closed to the internet."
  }
}

run "images_of_versions_are_nobodys_without_a_role" {
  command = plan

  module {
    source = "../modules/images"
  }

  variables {
    name = "crvisionsharedvl1"
  }

  assert {
    condition     = azurerm_container_registry.one.sku == "Premium" && !azurerm_container_registry.one.public_network_access_enabled
    error_message = "A private registry is reached from the internet, or can't have private endpoints."
  }
  assert {
    condition     = !azurerm_container_registry.one.admin_enabled && !azurerm_container_registry.one.anonymous_pull_enabled
    error_message = "The registry has an admin user, or lets anybody pull."
  }
}

run "somebody_is_told" {
  command = plan

  variables {
    alert_contacts = []
  }

  expect_failures = [var.alert_contacts]
}
