// Azure ML's registry: versions, environments and components that the workspaces of all stages share.

@description('The registry\'s name.')
@minLength(3)
@maxLength(33)
param name string

@description('Azure\'s region; the workspaces of all stages should be in it.')
param location string

@description('Tags of every resource.')
param tags object

@description('Whether it is reached through the stages\' private endpoints only.')
param private bool

@description('The resource id of the Log Analytics workspace.')
param logs string

// Storage and image registry are Azure ML's own, in a resource group that it manages.
resource registry 'Microsoft.MachineLearningServices/registries@2025-06-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    regionDetails: [
      {
        location: location
        acrDetails: [
          { systemCreatedAcrAccount: { acrAccountSku: 'Premium' } }
        ]
        storageAccountDetails: [
          {
            systemCreatedStorageAccount: {
              storageAccountType: 'Standard_LRS'
              storageAccountHnsEnabled: false
              allowBlobPublicAccess: false
            }
          }
        ]
      }
    ]
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: registry
  properties: {
    workspaceId: logs
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
  }
}

@description('The registry\'s resource id.')
output id string = registry.id

@description('The registry\'s name: azureml.registry of stage files.')
output name string = registry.name
