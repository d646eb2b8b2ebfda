# A cluster that serves: who comes in, what scales, what Flux follows; and what beside it is kept, for how long.
mock_provider "azurerm" {}
mock_provider "azapi" {}

variables {
  name  = "aks-vision-production"
  stage = "production"
  place = {
    resource_group = "rg-vision-production"
    location       = "westeurope"
    tags           = { owner = "team" }
    private        = true
    subnet         = "/subnets/endpoints"
    zones          = { blob = "/zones/blob" }
    logs           = "/logs"
  }
  production        = true
  tenant            = "00000000-0000-0000-0000-000000000000"
  nodes_subnet      = "/subnets/nodes"
  cpu_size          = "Standard_D4s_v5"
  cpu_max_nodes     = 4
  gpu_size          = "Standard_NC24ads_A100_v4"
  gpu_max_nodes     = 2
  serving           = "/identities/serving"
  namespace         = "vision-production"
  workspace         = "/workspace"
  machine_learning  = true
  gitops_repository = "https://git.example.com/fleet/gitops"
  metrics           = "/metrics"
}

run "a_private_cluster_is_opened_by_entra_alone" {
  command = plan

  module {
    source = "../modules/aks"
  }

  assert {
    condition     = azurerm_kubernetes_cluster.one.local_account_disabled && !azurerm_kubernetes_cluster.one.run_command_enabled
    error_message = "The cluster lets in by a certificate, or runs commands for whoever may ask Azure."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.one.private_cluster_enabled
    error_message = "The API server of a private stage has a public address."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.one.azure_active_directory_role_based_access_control[0].azure_rbac_enabled
    error_message = "Azure's roles do not count on the cluster."
  }
  assert {
    condition     = azurerm_federated_identity_credential.serving.subject == "system:serviceaccount:vision-production:visionline"
    error_message = "Pods of another account could act as the serving identity, or ours could not."
  }
}

run "gpu_nodes_come_with_work_and_are_for_gpu_pods" {
  command = plan

  module {
    source = "../modules/aks"
  }

  assert {
    condition     = azurerm_kubernetes_cluster_node_pool.gpu[0].min_count == 0
    error_message = "A GPU node stays while nothing runs on it."
  }
  assert {
    condition     = contains(azurerm_kubernetes_cluster_node_pool.gpu[0].node_taints, "sku=gpu:NoSchedule")
    error_message = "Pods without a GPU may take a GPU node."
  }
  assert {
    condition     = azurerm_kubernetes_cluster_node_pool.cpu.min_count == 2
    error_message = "Production has no second node when the first is drained."
  }
}

run "a_first_try_is_small" {
  command = plan

  module {
    source = "../modules/aks"
  }

  variables {
    production        = false
    nodes_subnet      = null
    gpu_max_nodes     = 0
    gitops_repository = ""
    metrics           = ""
    place = {
      resource_group = "rg-vision-dev"
      location       = "westeurope"
      tags           = { owner = "team" }
      private        = false
      zones          = {}
      logs           = "/logs"
    }
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster_node_pool.gpu) == 0 && azurerm_kubernetes_cluster.one.sku_tier == "Free"
    error_message = "A cluster for a first try costs more than its nodes."
  }
  assert {
    condition     = length(azurerm_kubernetes_flux_configuration.one) == 0
    error_message = "Flux follows no repository, yet it is installed."
  }
}

run "flux_takes_the_platform_first_and_prunes_the_stage_only" {
  command = plan

  module {
    source = "../modules/aks"
  }

  assert {
    condition = alltrue([
      for one in azurerm_kubernetes_flux_configuration.one[0].kustomizations :
      one.name == "platform" ? !one.garbage_collection_enabled : contains(one.depends_on, "platform")
    ])
    error_message = "A commit could take the platform away, or a stage could come before it."
  }
  assert {
    condition     = azurerm_kubernetes_flux_configuration.one[0].git_repository[0].local_auth_reference == "gitops"
    error_message = "The repository's key would lie in Terraform's state."
  }
}

run "captured_frames_end" {
  command = plan

  module {
    source = "../modules/captures"
  }

  variables {
    name = "stcvisionprodvl1"
  }

  assert {
    condition     = azurerm_storage_management_policy.one.rule[0].actions[0].base_blob[0].delete_after_days_since_modification_greater_than == 90
    error_message = "Frames are kept for ever, or for another time than README says."
  }
  assert {
    condition     = !azurerm_storage_account.one.shared_access_key_enabled && !azurerm_storage_account.one.public_network_access_enabled
    error_message = "Frames of a private stage can be read with a key, or from the internet."
  }
}

run "frames_are_not_deleted_before_they_cool" {
  command = plan

  module {
    source = "../modules/captures"
  }

  variables {
    name      = "stcvisionprodvl1"
    keep_days = 20
  }

  expect_failures = [var.keep_days]
}

run "nobody_asks_a_public_sandbox_unless_he_is_named" {
  command = plan

  module {
    source = "../modules/sandbox"
  }

  variables {
    name        = "ca-vision-dev"
    environment = "cae-vision-dev"
    identity    = "/identities/serving"
    registry    = "crvision.azurecr.io"
    image       = "crvision.azurecr.io/gate@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    place = {
      resource_group = "rg-vision-dev"
      location       = "westeurope"
      tags           = { owner = "team" }
      private        = false
      zones          = {}
      logs           = "/logs"
    }
  }

  assert {
    condition     = !azurerm_container_app.one[0].ingress[0].external_enabled
    error_message = "Anybody on the internet may ask the model."
  }
}

run "a_sandbox_takes_no_tag" {
  command = plan

  module {
    source = "../modules/sandbox"
  }

  variables {
    name        = "ca-vision-dev"
    environment = "cae-vision-dev"
    identity    = "/identities/serving"
    registry    = "crvision.azurecr.io"
    image       = "crvision.azurecr.io/gate:latest"
  }

  expect_failures = [var.image]
}
