# Clusters of Azure ML by the names that stage files use. Without a job they have no nodes and cost nothing.
locals {
  clusters = { for name, cluster in {
    cpu-cluster = { size = var.cpu_size, max_nodes = var.cpu_max_nodes, priority = "Dedicated" }
    gpu-cluster = {
      size      = var.gpu_size
      max_nodes = var.gpu_max_nodes
      priority  = var.gpu_low_priority ? "LowPriority" : "Dedicated"
    }
  } : name => cluster if cluster.max_nodes > 0 }
}

resource "azurerm_machine_learning_compute_cluster" "one" {
  for_each = local.clusters

  name                          = each.key
  location                      = var.location
  tags                          = var.tags
  machine_learning_workspace_id = var.workspace
  vm_size                       = each.value.size
  vm_priority                   = each.value.priority
  local_auth_enabled            = false
  ssh_public_access_enabled     = false
  node_public_ip_enabled        = !var.private

  scale_settings {
    min_node_count                       = 0
    max_node_count                       = each.value.max_nodes
    scale_down_nodes_after_idle_duration = "PT5M"
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity]
  }
}
