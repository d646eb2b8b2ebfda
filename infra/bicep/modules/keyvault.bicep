// The workspace's secrets, opened by roles only.

@description('The vault\'s name.')
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('The tenant\'s id.')
param tenant string

@description('Whether nobody can delete it for good before 90 days.')
param production bool

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: place.location
  tags: place.tags
  properties: {
    tenantId: tenant
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // Azure knows no false here: what is protected once stays so.
    enablePurgeProtection: production ? true : null
    softDeleteRetentionInDays: production ? 90 : 7
    publicNetworkAccess: place.private ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: place.private ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: vault
  properties: {
    workspaceId: place.logs
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

module privateendpoint 'privateendpoint.bicep' = [
  for part in (place.private ? ['vault'] : []): {
    name: '${name}-${part}'
    params: {
      name: name
      part: part
      target: vault.id
      zones: [part]
      place: place
    }
  }
]

@description('The vault\'s resource id.')
output id string = vault.id

@description('The vault\'s name.')
output name string = vault.name
