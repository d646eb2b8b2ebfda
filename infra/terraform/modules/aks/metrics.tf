# Managed Prometheus: what it collects goes to the workspace that stages share (infra/monitoring says what).
locals {
  collected = var.metrics == "" ? 0 : 1
}

# A private stage's scope names it, so that the cluster finds it inside the network.
resource "azurerm_monitor_data_collection_endpoint" "one" {
  count = local.collected

  name                          = "dce-${var.name}"
  resource_group_name           = var.place.resource_group
  location                      = var.place.location
  tags                          = var.place.tags
  kind                          = "Linux"
  public_network_access_enabled = !var.place.private
}

resource "azurerm_monitor_data_collection_rule" "one" {
  count = local.collected

  name                        = "dcr-${var.name}"
  resource_group_name         = var.place.resource_group
  location                    = var.place.location
  tags                        = var.place.tags
  kind                        = "Linux"
  data_collection_endpoint_id = azurerm_monitor_data_collection_endpoint.one[0].id

  data_sources {
    prometheus_forwarder {
      name    = "prometheus"
      streams = ["Microsoft-PrometheusMetrics"]
    }
  }

  destinations {
    monitor_account {
      name               = "shared"
      monitor_account_id = var.metrics
    }
  }

  data_flow {
    streams      = ["Microsoft-PrometheusMetrics"]
    destinations = ["shared"]
  }
}

resource "azurerm_monitor_data_collection_rule_association" "rule" {
  count = local.collected

  name                    = "dcra-${var.name}"
  target_resource_id      = azurerm_kubernetes_cluster.one.id
  data_collection_rule_id = azurerm_monitor_data_collection_rule.one[0].id
}

# This name is Azure's own for an endpoint's association.
resource "azurerm_monitor_data_collection_rule_association" "endpoint" {
  count = local.collected

  name                        = "configurationAccessEndpoint"
  target_resource_id          = azurerm_kubernetes_cluster.one.id
  data_collection_endpoint_id = azurerm_monitor_data_collection_endpoint.one[0].id
}
