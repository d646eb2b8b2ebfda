# The private network: a subnet for private endpoints, one for CI's agents, one for cluster nodes, one for the sandbox.
locals {
  agents = {
    github       = "GitHub.Network/networkSettings"
    azure-devops = "Microsoft.DevOpsInfrastructure/pools"
  }
  subnets = {
    endpoints = { range = cidrsubnet(var.address_space, 8, 0), delegation = null }
    agents    = { range = cidrsubnet(var.address_space, 8, 1), delegation = local.agents[var.ci_system] }
    sandbox   = { range = cidrsubnet(var.address_space, 8, 2), delegation = "Microsoft.App/environments" }
    nodes     = { range = cidrsubnet(var.address_space, 4, 1), delegation = null }
  }
  zones = {
    blob      = "privatelink.blob.core.windows.net"
    file      = "privatelink.file.core.windows.net"
    vault     = "privatelink.vaultcore.azure.net"
    registry  = "privatelink.azurecr.io"
    api       = "privatelink.api.azureml.ms"
    notebooks = "privatelink.notebooks.azure.net"
    # Azure Monitor has one endpoint for all of a scope, under four names of its own and one of Blob storage's.
    monitor    = "privatelink.monitor.azure.com"
    oms        = "privatelink.oms.opinsights.azure.com"
    ods        = "privatelink.ods.opinsights.azure.com"
    agentsvc   = "privatelink.agentsvc.azure-automation.net"
    prometheus = "privatelink.${var.location}.prometheus.monitor.azure.com"
    grafana    = "privatelink.grafana.azure.com"
  }
}

resource "azurerm_virtual_network" "one" {
  name                = var.name
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
  address_space       = [var.address_space]
}

# Azure's default rules: nothing comes in from outside the network.
resource "azurerm_network_security_group" "one" {
  name                = "nsg-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_subnet" "one" {
  for_each = local.subnets

  name                              = each.key
  resource_group_name               = var.resource_group
  virtual_network_name              = azurerm_virtual_network.one.name
  address_prefixes                  = [each.value.range]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled"

  dynamic "delegation" {
    for_each = each.value.delegation[*]

    content {
      name = "owner"
      service_delegation {
        name = delegation.value
      }
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "one" {
  for_each = local.subnets

  subnet_id                 = azurerm_subnet.one[each.key].id
  network_security_group_id = azurerm_network_security_group.one.id
}

# The way out of agents, nodes and the sandbox: to the code host, to package indexes, to Azure.
resource "azurerm_public_ip" "out" {
  name                = "pip-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
  allocation_method   = "Static"
  sku                 = "Standard"
}

resource "azurerm_nat_gateway" "out" {
  name                = "ng-${var.name}"
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
  sku_name            = "Standard"
}

resource "azurerm_nat_gateway_public_ip_association" "out" {
  nat_gateway_id       = azurerm_nat_gateway.out.id
  public_ip_address_id = azurerm_public_ip.out.id
}

resource "azurerm_subnet_nat_gateway_association" "out" {
  for_each = toset(["agents", "nodes", "sandbox"])

  subnet_id      = azurerm_subnet.one[each.key].id
  nat_gateway_id = azurerm_nat_gateway.out.id
}

resource "azurerm_private_dns_zone" "one" {
  for_each = local.zones

  name                = each.value
  resource_group_name = var.resource_group
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "one" {
  for_each = local.zones

  name                  = var.name
  resource_group_name   = var.resource_group
  private_dns_zone_name = azurerm_private_dns_zone.one[each.key].name
  virtual_network_id    = azurerm_virtual_network.one.id
  registration_enabled  = false
  tags                  = var.tags
}
