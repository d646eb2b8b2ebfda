// Images of the stage: those of the environments, and where nothing is shared those of versions.

@description('The registry\'s name.')
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: place.location
  tags: place.tags
  // Only this tier has private endpoints.
  sku: { name: place.private ? 'Premium' : 'Standard' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: place.private ? 'Disabled' : 'Enabled'
    networkRuleBypassOptions: 'AzureServices'
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: registry
  properties: {
    workspaceId: place.logs
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

module privateendpoint 'privateendpoint.bicep' = [
  for part in (place.private ? ['registry'] : []): {
    name: '${name}-${part}'
    params: {
      name: name
      part: part
      target: registry.id
      zones: [part]
      place: place
    }
  }
]

@description('The registry\'s resource id.')
output id string = registry.id

@description('The registry\'s name.')
output name string = registry.name

@description('The host that images are pulled from.')
output loginServer string = registry.properties.loginServer
