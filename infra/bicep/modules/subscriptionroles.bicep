// Roles on the whole subscription, as infra/roles.yaml lists them: none that Azure has is small enough.
targetScope = 'subscription'

@description('The workspace\'s name: roles that Azure does not have are told apart by it.')
param name string

@description('Principal ids by identity, as infra/roles.yaml names them.')
param principals object

var needed = filter(loadYamlContent('../../roles.yaml'), row => row.scope == 'subscription')
var rows = filter(needed, row => contains(principals, row.identity))

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for row in rows: {
    name: guid(subscription().id, name, row.role)
    properties: {
      roleName: '${row.role} of ${name}'
      description: row.step
      type: 'CustomRole'
      permissions: [{ actions: row.actions }]
      assignableScopes: [subscription().id]
    }
  }
]

resource ofSubscription 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (row, index) in rows: {
    name: guid(subscription().id, name, principals[row.identity], row.role)
    properties: {
      principalId: principals[row.identity]
      principalType: 'ServicePrincipal'
      roleDefinitionId: definitions[index].id
      description: row.step
    }
  }
]
