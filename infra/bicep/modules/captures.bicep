// Frames that cameras kept for retraining (`capture.to` of a stream's configuration), and their end.

@description('The account\'s name.')
@minLength(3)
@maxLength(24)
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('After how many days a frame that nobody changed is kept at a lower price.')
@minValue(1)
param coolDays int = 30

@description('After how many days a frame is deleted, labelled or not: pictures of people are not kept for ever.')
@minValue(2)
param keepDays int = 90

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: place.location
  tags: place.tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
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

// No versions: what the rule below deletes has to be gone, but for a week to notice a mistake.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource captured 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: 'captured'
  properties: { publicAccess: 'None' }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'captured'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['captured/']
            }
            actions: {
              baseBlob: {
                tierToCool: { daysAfterModificationGreaterThan: coolDays }
                delete: { daysAfterModificationGreaterThan: keepDays }
              }
            }
          }
        }
      ]
    }
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

module privateendpoint 'privateendpoint.bicep' = [for part in (place.private ? ['blob'] : []): {
  name: '${name}-${part}'
  params: {
    name: name
    part: part
    target: account.id
    zones: [part]
    place: place
  }
}]

@description('The account\'s resource id.')
output id string = account.id

@description('The account\'s name.')
output name string = account.name

@description('The container\'s address: `capture.to` of a stream\'s configuration.')
output container string = '${account.properties.primaryEndpoints.blob}${captured.name}'
