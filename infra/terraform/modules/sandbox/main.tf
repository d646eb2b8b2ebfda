# A small place to try a version without a cluster: it costs nothing while nobody asks.
resource "azurerm_container_app_environment" "one" {
  name                = var.environment
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags

  logs_destination               = "azure-monitor"
  infrastructure_subnet_id       = var.apps_subnet
  internal_load_balancer_enabled = var.place.private ? true : null
  public_network_access          = var.place.private ? "Disabled" : "Enabled"

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azurerm_container_app_environment.one.id
  log_analytics_workspace_id = var.place.logs

  enabled_log {
    category_group = "allLogs"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_container_app" "one" {
  count = var.image == "" ? 0 : 1

  name                         = var.name
  container_app_environment_id = azurerm_container_app_environment.one.id
  resource_group_name          = var.place.resource_group
  tags                         = var.place.tags
  revision_mode                = "Single"
  workload_profile_name        = "Consumption"

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity]
  }

  registry {
    server   = var.registry
    identity = var.identity
  }

  ingress {
    external_enabled           = var.place.private || length(var.callers) > 0
    allow_insecure_connections = false
    target_port                = 8080
    transport                  = "auto"

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }

    dynamic "ip_security_restriction" {
      for_each = var.callers
      content {
        name             = "caller-${ip_security_restriction.key}"
        action           = "Allow"
        ip_address_range = ip_security_restriction.value
      }
    }
  }

  template {
    min_replicas = 0
    max_replicas = 2

    http_scale_rule {
      name                = "requests"
      concurrent_requests = "8"
    }

    container {
      name   = "runtime"
      image  = var.image
      cpu    = 1
      memory = "2Gi"

      startup_probe {
        transport               = "HTTP"
        path                    = "/v2/health/ready"
        port                    = 8080
        interval_seconds        = 1
        failure_count_threshold = 30
      }
      readiness_probe {
        transport        = "HTTP"
        path             = "/v2/health/ready"
        port             = 8080
        interval_seconds = 5
      }
      liveness_probe {
        transport        = "HTTP"
        path             = "/v2/health/live"
        port             = 8080
        interval_seconds = 10
      }
    }
  }
}
