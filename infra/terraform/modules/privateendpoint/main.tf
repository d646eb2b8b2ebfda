# A service's address inside the private network, under the name that it has outside.
resource "azurerm_private_endpoint" "one" {
  name                = "pe-${var.name}-${var.part}"
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags
  subnet_id           = var.place.subnet

  private_service_connection {
    name                           = var.part
    private_connection_resource_id = var.target
    subresource_names              = [var.part]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [for zone in var.zones : var.place.zones[zone]]
  }
}
