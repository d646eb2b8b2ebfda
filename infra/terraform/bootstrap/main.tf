# Where Terraform's state lives: one account for all stages, opened by Entra ID only, locked by leases on its blobs.
# Applied once, by a person; its own state stays beside it and may be lost: nothing here has to be changed again.
terraform {
  required_version = ">= 1.11.2"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }
}

provider "azurerm" {
  storage_use_azuread = true
  features {}
}

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "state" {
  name     = "rg-${var.name}-tfstate"
  location = var.location
  tags     = var.tags
}

resource "azurerm_storage_account" "state" {
  name                = "st${var.name}tf${var.suffix}"
  resource_group_name = azurerm_resource_group.state.name
  location            = var.location
  tags                = var.tags

  account_tier                    = "Standard"
  account_replication_type        = "ZRS"
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false

  network_rules {
    default_action = length(var.networks) > 0 ? "Deny" : "Allow"
    ip_rules       = var.networks
    bypass         = ["AzureServices"]
  }

  # A state that was overwritten or deleted by mistake can be had back for a month.
  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = 30
    }
    container_delete_retention_policy {
      days = 30
    }
  }
}

resource "azurerm_storage_container" "state" {
  name                  = "state"
  storage_account_id    = azurerm_storage_account.state.id
  container_access_type = "private"
}

resource "azurerm_role_assignment" "writer" {
  for_each = toset(concat([data.azurerm_client_config.current.object_id], var.writers))

  scope                = azurerm_storage_container.state.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = each.value
}

resource "azurerm_role_assignment" "reader" {
  for_each = toset(var.readers)

  scope                = azurerm_storage_container.state.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = each.value
}

resource "azurerm_management_lock" "state" {
  name       = "keep"
  scope      = azurerm_storage_account.state.id
  lock_level = "CanNotDelete"
  notes      = "Without the state Terraform would make every stage a second time."
}
