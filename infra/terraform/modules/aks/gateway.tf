# The Gateway API and Istio's gateway class, which Azure runs: azurerm has no attribute for them yet.
# learn.microsoft.com/azure/aks/app-routing-gateway-api
resource "azapi_update_resource" "gateway" {
  type        = "Microsoft.ContainerService/managedClusters@2026-04-01"
  resource_id = azurerm_kubernetes_cluster.one.id

  body = {
    properties = {
      ingressProfile = {
        gatewayAPI = {
          installation = "Standard"
        }
        webAppRouting = {
          enabled = true
          gatewayAPIImplementations = {
            appRoutingIstio = {
              mode = "Enabled"
            }
          }
        }
      }
    }
  }
}
