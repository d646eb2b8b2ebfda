terraform {
  required_version = ">= 1.11.2"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
    # For what azurerm can't say yet: identity-based datastores of a workspace, endpoints, registries of Azure ML.
    azapi = {
      source  = "azure/azapi"
      version = "~> 2.0"
    }
  }

  # The rest is given at init: see infra/README.md. Locked by a lease on the state's blob.
  backend "azurerm" {
    use_azuread_auth = true
  }
}

# The subscription is ARM_SUBSCRIPTION_ID; who asks is `az login`, or CI's token by ARM_USE_OIDC.
provider "azurerm" {
  storage_use_azuread = true

  features {
    # Everything is done through Azure's management: a private account's own address is not reached from here.
    storage {
      data_plane_available = false
    }
    key_vault {
      purge_soft_delete_on_destroy = false
    }
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
  }
}

provider "azapi" {}
