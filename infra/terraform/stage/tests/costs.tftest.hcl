# What a stage costs while nothing runs, who is told, and what can't be lost by mistake.
mock_provider "azurerm" {}

variables {
  workspace        = "/workspace"
  location         = "westeurope"
  tags             = { owner = "team" }
  private          = true
  identity         = "/jobs"
  cpu_size         = "Standard_D4s_v5"
  cpu_max_nodes    = 4
  gpu_size         = "Standard_NC24ads_A100_v4"
  gpu_max_nodes    = 2
  gpu_low_priority = true

  name           = "budget-vision-dev"
  resource_group = "/group"
  amount         = 300
  contacts       = ["team@example.com"]
  start          = "2026-01-01"

  scopes = { storage = "/storage", key_vault = "/vault" }
}

run "clusters_scale_to_zero" {
  command = plan

  module {
    source = "../modules/compute"
  }

  assert {
    condition = alltrue([
      for one in azurerm_machine_learning_compute_cluster.one : one.scale_settings[0].min_node_count == 0
    ])
    error_message = "A cluster keeps nodes while no job runs."
  }
  assert {
    condition     = azurerm_machine_learning_compute_cluster.one["gpu-cluster"].vm_priority == "LowPriority"
    error_message = "GPU nodes are not the cheap ones."
  }
  assert {
    condition = alltrue([
      for one in azurerm_machine_learning_compute_cluster.one :
      !one.local_auth_enabled && !one.ssh_public_access_enabled && !one.node_public_ip_enabled
    ])
    error_message = "Nodes of a private stage can be reached from outside, or by a password."
  }
}

run "no_gpu_nodes_no_gpu_cluster" {
  command = plan

  module {
    source = "../modules/compute"
  }

  variables {
    gpu_max_nodes = 0
  }

  assert {
    condition     = keys(azurerm_machine_learning_compute_cluster.one) == ["cpu-cluster"]
    error_message = "A cluster that can have no nodes was made."
  }
}

run "somebody_is_told_of_costs" {
  command = plan

  module {
    source = "../modules/budget"
  }

  assert {
    condition     = length(azurerm_consumption_budget_resource_group.one.notification) == 4
    error_message = "Alerts are missing."
  }
  assert {
    condition = contains([
      for one in azurerm_consumption_budget_resource_group.one.notification : one.threshold_type
    ], "Forecasted")
    error_message = "Nobody is told before the money is spent."
  }
}

run "what_holds_data_is_locked" {
  command = plan

  module {
    source = "../modules/locks"
  }

  assert {
    condition     = alltrue([for one in azurerm_management_lock.one : one.lock_level == "CanNotDelete"])
    error_message = "A lock lets deletions through, or stops changes too."
  }
}
