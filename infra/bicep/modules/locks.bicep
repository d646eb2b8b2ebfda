// Locks on what holds data. Not on the group or the workspace: a lock there would also stop a release from removing the
// old deployment, and clusters from removing nodes.

@description('The storage account\'s name.')
param storage string

@description('The key vault\'s name.')
param keyVault string

@description('The container registry\'s name.')
param images string

@description('The name of the account of captured frames.')
param captures string

@description('The name of the Log Analytics workspace.')
param logs string

var lock = {
  level: 'CanNotDelete'
  notes: 'Holds data of a stage that serves: take this lock away first, knowingly.'
}

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storage
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVault
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: images
}

resource frames 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: captures
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: logs
}

resource ofStorage 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: account
  properties: lock
}

resource ofKeyVault 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: vault
  properties: lock
}

resource ofImages 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: registry
  properties: lock
}

resource ofCaptures 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: frames
  properties: lock
}

resource ofLogs 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: workspace
  properties: lock
}

@description('What is locked.')
output locked array = ['storage', 'key_vault', 'images', 'captures', 'logs']
