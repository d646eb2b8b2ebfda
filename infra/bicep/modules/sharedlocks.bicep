// Locks on what all stages share.

@description('The name of the Azure ML registry.')
param registry string

@description('The name of the container registry for promoted images.')
param images string

@description('The name of the Azure Monitor workspace.')
param metrics string

@description('The name of the Log Analytics workspace.')
param logs string

var lock = {
  level: 'CanNotDelete'
  notes: 'Holds data that every stage needs: take this lock away first, knowingly.'
}

resource versions 'Microsoft.MachineLearningServices/registries@2025-06-01' existing = {
  name: registry
}

resource promoted 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: images
}

resource account 'Microsoft.Monitor/accounts@2023-04-03' existing = {
  name: metrics
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: logs
}

resource ofRegistry 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: versions
  properties: lock
}

resource ofImages 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: promoted
  properties: lock
}

resource ofMetrics 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: account
  properties: lock
}

resource ofLogs 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: workspace
  properties: lock
}

@description('What is locked.')
output locked array = ['registry', 'images', 'metrics', 'logs']
