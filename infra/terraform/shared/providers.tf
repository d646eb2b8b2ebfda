terraform {
  required_version = ">= 1.11.2"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
    # For registries of Azure ML, which azurerm does not have.
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
  features {
    resource_group {
      prevent_deletion_if_contains_resources = true
    }
  }
}

provider "azapi" {}
