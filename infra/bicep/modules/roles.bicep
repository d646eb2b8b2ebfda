// Role assignments within the stage's resource group, as infra/roles.yaml lists them, and those of its roles that Azure
// does not have.

@description('Whether the stage is private: some roles are needed there only.')
param private bool

@description('Principal ids by identity, as infra/roles.yaml names them.')
param principals object

@description('The workspace\'s name.')
param workspace string

@description('The storage account\'s name.')
param storage string

@description('The key vault\'s name.')
param keyVault string

@description('The container registry\'s name.')
param images string

@description('The name of the identity of what serves.')
param serving string

@description('The name of the account of captured frames; empty: none.')
param captures string = ''

@description('The AKS cluster\'s name; empty: none.')
param kubernetes string = ''

var needed = filter(loadYamlContent('../../roles.yaml'), row => private || !contains(row, 'private'))
var given = filter(needed, row => contains(principals, row.identity))
var rows = filter(given, row => contains(row, 'id'))
var own = filter(given, row => contains(row, 'actions') && row.scope == 'workspace')
var ownInGroup = filter(given, row => contains(row, 'actions') && row.scope == 'resource_group')

resource machine 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspace
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

resource servingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: serving
}

resource frames 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: empty(captures) ? 'none' : captures
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: empty(kubernetes) ? 'none' : kubernetes
}

resource ofGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'resource_group'): {
    name: guid(resourceGroup().id, principals[row.identity], row.id)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'workspace'): {
    name: guid(machine.id, principals[row.identity], row.id)
    scope: machine
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'storage'): {
    name: guid(account.id, principals[row.identity], row.id)
    scope: account
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofKeyVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'key_vault'): {
    name: guid(vault.id, principals[row.identity], row.id)
    scope: vault
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofImages 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'images'): {
    name: guid(registry.id, principals[row.identity], row.id)
    scope: registry
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofServing 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'serving'): {
    name: guid(servingIdentity.id, principals[row.identity], row.id)
    scope: servingIdentity
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofCaptures 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'captures' && !empty(captures)): {
    name: guid(frames.id, principals[row.identity], row.id)
    scope: frames
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource ofKubernetes 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for row in filter(rows, row => row.scope == 'kubernetes' && !empty(kubernetes)): {
    name: guid(cluster.id, principals[row.identity], row.id)
    scope: cluster
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', row.id)
      description: row.step
    }
  }
]

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for row in own: {
    name: guid(resourceGroup().id, row.role)
    properties: {
      roleName: '${row.role} of ${workspace}'
      description: row.step
      type: 'CustomRole'
      permissions: [{ actions: row.actions }]
      assignableScopes: [resourceGroup().id]
    }
  }
]

resource ofOwn 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (row, index) in own: {
    name: guid(machine.id, principals[row.identity], row.role)
    scope: machine
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: definitions[index].id
      description: row.step
    }
  }
]

resource definitionsInGroup 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for row in ownInGroup: {
    name: guid(resourceGroup().id, row.role)
    properties: {
      roleName: '${row.role} of ${workspace}'
      description: row.step
      type: 'CustomRole'
      permissions: [{ actions: row.actions }]
      assignableScopes: [resourceGroup().id]
    }
  }
]

resource ofOwnInGroup 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (row, index) in ownInGroup: {
    name: guid(resourceGroup().id, principals[row.identity], row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: definitionsInGroup[index].id
      description: row.step
    }
  }
]
