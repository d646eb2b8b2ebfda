# Azure Monitor inside the private network: one endpoint for what the scope names, and nothing else of it from there.
resource "azurerm_monitor_private_link_scope" "one" {
  name                  = var.name
  resource_group_name   = var.place.resource_group
  tags                  = var.place.tags
  ingestion_access_mode = "PrivateOnly"
  query_access_mode     = "PrivateOnly"
}

resource "azurerm_monitor_private_link_scoped_service" "one" {
  for_each = var.resources

  name                = each.key
  resource_group_name = var.place.resource_group
  scope_name          = azurerm_monitor_private_link_scope.one.name
  linked_resource_id  = each.value
}

# Its names are those of what is in the scope by then.
module "privateendpoint" {
  source     = "../privateendpoint"
  depends_on = [azurerm_monitor_private_link_scoped_service.one]

  name   = var.name
  part   = "azuremonitor"
  target = azurerm_monitor_private_link_scope.one.id
  zones  = ["monitor", "oms", "ods", "agentsvc", "blob"]
  place  = var.place
}
