// Role assignments on what all stages share, as infra/roles.yaml lists them.

@description('Whether the stage is private: some roles are needed there only.')
param private bool

@description('Principal ids by identity, as infra/roles.yaml names them.')
param principals object

@description('The name of the shared Azure ML registry.')
param registry string

@description('The name of the container registry for promoted images.')
param images string

var needed = filter(loadYamlContent('../../roles.yaml'), row => private || !contains(row, 'private'))
var rows = filter(needed, row => contains(principals, row.identity))

resource versions 'Microsoft.MachineLearningServices/registries@2025-06-01' existing = {
  name: registry
}

resource promoted 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: images
}

resource ofGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'shared_group'): {
    name: guid(resourceGroup().id, principals[row.identity], row.id)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'shared_registry'): {
    name: guid(versions.id, principals[row.identity], row.id)
    scope: versions
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'shared_images'): {
    name: guid(promoted.id, principals[row.identity], row.id)
    scope: promoted
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]
