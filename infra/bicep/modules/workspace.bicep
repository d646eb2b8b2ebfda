// The Azure ML workspace. Its datastores are opened by the identity of whoever reads, never by a key.

@description('The workspace\'s name.')
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('The resource id of its storage account.')
param storage string

@description('The resource id of its key vault.')
param keyVault string

@description('The resource id of its container registry.')
param images string

@description('The resource id of its Application Insights.')
param insights string

@description('The resource id of the Azure ML registry that stages share; empty: none.')
param sharedRegistry string

var hosts = toObject(loadYamlContent('../../egress.yaml'), row => row.name, row => {
  type: 'FQDN'
  category: 'UserDefined'
  destination: row.host
})
var shared = empty(sharedRegistry) ? {} : {
  'shared-registry': {
    type: 'PrivateEndpoint'
    category: 'UserDefined'
    destination: {
      serviceResourceId: sharedRegistry
      subresourceTarget: 'amlregistry'
      sparkEnabled: false
    }
  }
}
var managedNetwork = {
  isolationMode: 'AllowOnlyApprovedOutbound'
  firewallSku: 'Basic'
  outboundRules: union(hosts, shared)
}
// Once a workspace has a managed network it keeps it, so a public one gets none.
var noNetwork = { isolationMode: 'Disabled' }

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' = {
  name: name
  location: place.location
  tags: place.tags
  kind: 'Default'
  sku: { name: 'Basic', tier: 'Basic' }
  identity: { type: 'SystemAssigned' }
  properties: {
    friendlyName: name
    storageAccount: storage
    keyVault: keyVault
    containerRegistry: images
    applicationInsights: insights
    systemDatastoresAuthMode: 'Identity'
    publicNetworkAccess: place.private ? 'Disabled' : 'Enabled'
    // Azure's own builders can't reach a private registry.
    imageBuildCompute: place.private ? 'cpu-cluster' : null
    v1LegacyMode: false
    managedNetwork: place.private ? managedNetwork : noNetwork
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: workspace
  properties: {
    workspaceId: place.logs
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

module privateendpoint 'privateendpoint.bicep' = [
  for part in (place.private ? ['amlworkspace'] : []): {
    name: '${name}-${part}'
    params: {
      name: name
      part: part
      target: workspace.id
      zones: ['api', 'notebooks']
      place: place
    }
  }
]

@description('The workspace\'s resource id.')
output id string = workspace.id

@description('The workspace\'s name.')
output name string = workspace.name

@description('The principal id of the workspace\'s own identity.')
output principal string = workspace.identity.principalId
