// The workspace's storage: data versions, code, outputs. Opened by roles only: its keys are switched off.

@description('The account\'s name.')
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('Whether it survives the loss of a datacenter, and keeps deleted blobs for 30 days.')
param production bool

var kept = { enabled: true, days: production ? 30 : 7 }

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: place.location
  tags: place.tags
  kind: 'StorageV2'
  sku: { name: production ? 'Standard_ZRS' : 'Standard_LRS' }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    publicNetworkAccess: place.private ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: place.private ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: kept
    containerDeleteRetentionPolicy: kept
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: blobs
  properties: {
    workspaceId: place.logs
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

module privateendpoint 'privateendpoint.bicep' = [
  for part in (place.private ? ['blob', 'file'] : []): {
    name: '${name}-${part}'
    params: {
      name: name
      part: part
      target: account.id
      zones: [part]
      place: place
    }
  }
]

@description('The account\'s resource id.')
output id string = account.id

@description('The account\'s name.')
output name string = account.name
