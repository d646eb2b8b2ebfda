// Images of versions that a stage let in: copied here by digest, pulled by every stage after it.

@description('The registry\'s name.')
@minLength(5)
@maxLength(50)
param name string

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Whether it is reached through the stages\' private endpoints only.')
param private bool

@description('The resource id of the Log Analytics workspace.')
param logs string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  // Only this tier has private endpoints; each private stage brings its own.
  sku: { name: private ? 'Premium' : 'Standard' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkRuleBypassOptions: 'AzureServices'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: registry
  properties: {
    workspaceId: logs
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('The registry\'s resource id.')
output id string = registry.id

@description('The registry\'s name.')
output name string = registry.name

@description('The host that images are pulled from: the first part of images.registry of stage files.')
output loginServer string = registry.properties.loginServer
