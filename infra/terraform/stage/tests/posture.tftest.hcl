# Who may reach a stage: nobody from outside where it is private, nobody without Entra ID anywhere.
mock_provider "azurerm" {}
mock_provider "azapi" {}

variables {
  name       = "vision1"
  production = true
  tenant     = "00000000-0000-0000-0000-000000000000"
  place = {
    resource_group = "rg-vision-production"
    location       = "westeurope"
    tags           = { owner = "team" }
    private        = true
    subnet         = "/subnet"
    zones = {
      blob = "/blob", file = "/file", vault = "/vault", registry = "/registry", api = "/api", notebooks = "/notebooks"
    }
    logs = "/logs"
  }
}

run "private_storage" {
  command = plan

  module {
    source = "../modules/storage"
  }

  assert {
    condition     = !azurerm_storage_account.one.public_network_access_enabled
    error_message = "Private storage answers from outside."
  }
  assert {
    condition     = azurerm_storage_account.one.network_rules[0].default_action == "Deny"
    error_message = "Private storage lets every network in."
  }
  assert {
    condition     = keys(module.privateendpoint) == ["blob", "file"]
    error_message = "Storage has no private endpoints for blobs and files."
  }
  assert {
    condition     = azurerm_storage_account.one.account_replication_type == "ZRS"
    error_message = "Production's storage does not survive the loss of a datacenter."
  }
}

run "public_storage" {
  command = plan

  module {
    source = "../modules/storage"
  }

  variables {
    production = false
    place = {
      resource_group = "rg-vision-dev"
      location       = "westeurope"
      tags           = { owner = "team" }
      private        = false
      subnet         = null
      zones          = {}
      logs           = "/logs"
    }
  }

  assert {
    condition     = azurerm_storage_account.one.public_network_access_enabled && length(module.privateendpoint) == 0
    error_message = "A public stage's storage can't be reached."
  }
  assert {
    condition = (
      !azurerm_storage_account.one.shared_access_key_enabled
      && !azurerm_storage_account.one.allow_nested_items_to_be_public
      && azurerm_storage_account.one.min_tls_version == "TLS1_2"
    )
    error_message = "Public storage can be opened by a key, by nobody in particular, or by an old TLS."
  }
}

run "private_vault" {
  command = plan

  module {
    source = "../modules/keyvault"
  }

  assert {
    condition = (
      !azurerm_key_vault.one.public_network_access_enabled && keys(module.privateendpoint) == ["vault"]
    )
    error_message = "A private vault answers from outside, or not inside."
  }
  assert {
    condition = (
      azurerm_key_vault.one.purge_protection_enabled && azurerm_key_vault.one.soft_delete_retention_days == 90
    )
    error_message = "Production's secrets can be deleted for good."
  }
}

run "public_vault" {
  command = plan

  module {
    source = "../modules/keyvault"
  }

  variables {
    production = false
    place = {
      resource_group = "rg-vision-dev"
      location       = "westeurope"
      tags           = { owner = "team" }
      private        = false
      subnet         = null
      zones          = {}
      logs           = "/logs"
    }
  }

  assert {
    condition     = azurerm_key_vault.one.rbac_authorization_enabled && !azurerm_key_vault.one.purge_protection_enabled
    error_message = "A public vault is not opened by roles, or a first try can't be cleaned up."
  }
}

run "private_registry" {
  command = plan

  module {
    source = "../modules/registry"
  }

  assert {
    condition = (
      !azurerm_container_registry.one.public_network_access_enabled && azurerm_container_registry.one.sku == "Premium"
    )
    error_message = "A private registry answers from outside, or is of a tier without private endpoints."
  }
}

run "public_registry" {
  command = plan

  module {
    source = "../modules/registry"
  }

  variables {
    place = {
      resource_group = "rg-vision-dev"
      location       = "westeurope"
      tags           = { owner = "team" }
      private        = false
      subnet         = null
      zones          = {}
      logs           = "/logs"
    }
  }

  assert {
    condition = (
      !azurerm_container_registry.one.admin_enabled && !azurerm_container_registry.one.anonymous_pull_enabled
    )
    error_message = "A registry can be opened by a password, or by nobody in particular."
  }
}

run "private_workspace" {
  command = plan

  module {
    source = "../modules/workspace"
  }

  variables {
    resource_group_id = "/group"
    storage           = "/storage"
    key_vault         = "/vault"
    images            = "/images"
    insights          = "/insights"
    shared_registry   = "/shared"
  }

  assert {
    condition     = azapi_resource.one.body.properties.publicNetworkAccess == "Disabled"
    error_message = "A private workspace answers from outside."
  }
  assert {
    condition     = azapi_resource.one.body.properties.managedNetwork.isolationMode == "AllowOnlyApprovedOutbound"
    error_message = "Jobs of a private workspace may connect to anywhere."
  }
  assert {
    condition = (
      azapi_resource.one.body.properties.managedNetwork.outboundRules.pypi.destination == "pypi.org"
      && azapi_resource.one.body.properties.managedNetwork.outboundRules["shared-registry"].type == "PrivateEndpoint"
    )
    error_message = "Jobs reach no packages, or not the shared registry."
  }
  assert {
    condition     = azapi_resource.one.body.properties.imageBuildCompute == "cpu-cluster"
    error_message = "Images of a private workspace are built where its registry can't be reached."
  }
}

run "public_workspace" {
  command = plan

  module {
    source = "../modules/workspace"
  }

  variables {
    resource_group_id = "/group"
    storage           = "/storage"
    key_vault         = "/vault"
    images            = "/images"
    insights          = "/insights"
    shared_registry   = ""
    place = {
      resource_group = "rg-vision-dev"
      location       = "westeurope"
      tags           = { owner = "team" }
      private        = false
      subnet         = null
      zones          = {}
      logs           = "/logs"
    }
  }

  assert {
    condition = (
      azapi_resource.one.body.properties.managedNetwork.isolationMode == "Disabled"
      && azapi_resource.one.body.properties.systemDatastoresAuthMode == "Identity"
    )
    error_message = "A public workspace got a network that it can't lose again, or datastores that a key opens."
  }
}

run "endpoints_take_entra_tokens_only" {
  command = plan

  module {
    source = "../modules/endpoints"
  }

  variables {
    names     = { online_endpoint = "vision-prod-online-x1y", batch_endpoint = "vision-prod-batch-x1y" }
    workspace = "/workspace"
    location  = "westeurope"
    tags      = { owner = "team" }
    private   = true
    identity  = "/serving"
  }

  assert {
    condition     = alltrue([for one in azapi_resource.one : one.body.properties.authMode == "AADToken"])
    error_message = "An endpoint can be asked with a key."
  }
  assert {
    condition     = azapi_resource.one["online"].body.properties.publicNetworkAccess == "Disabled"
    error_message = "A private stage's endpoint answers from outside."
  }
}

run "a_private_network_has_room_for_agents" {
  command = plan

  module {
    source = "../modules/network"
  }

  variables {
    resource_group = "rg-vision-production"
    location       = "westeurope"
    tags           = { owner = "team" }
    address_space  = "10.40.0.0/16"
    ci_system      = "azure-devops"
  }

  assert {
    condition = (
      azurerm_subnet.one["agents"].delegation[0].service_delegation[0].name == "Microsoft.DevOpsInfrastructure/pools"
    )
    error_message = "Azure DevOps' managed agents can't join the network."
  }
  assert {
    condition     = alltrue([for one in azurerm_subnet.one : !one.default_outbound_access_enabled])
    error_message = "A subnet has a way out that nobody declared."
  }
  assert {
    condition     = azurerm_subnet.one["nodes"].address_prefixes == tolist(["10.40.16.0/20"])
    error_message = "Nodes share their addresses with another subnet."
  }
}
