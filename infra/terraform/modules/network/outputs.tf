output "id" {
  description = "The network's resource id."
  value       = azurerm_virtual_network.one.id
}

output "subnets" {
  description = "Resource ids of subnets: endpoints, agents, sandbox, nodes."
  value       = { for key, one in azurerm_subnet.one : key => one.id }
}

output "zones" {
  description = "Resource ids of private DNS zones, by what they name."
  value       = { for key, one in azurerm_private_dns_zone.one : key => one.id }
}
