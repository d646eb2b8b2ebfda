// Shells of the endpoints: name, identity, who may ask. What they serve and how traffic is split is the release's.

@description('Names of resources: onlineEndpoint, batchEndpoint.')
param names object

@description('The workspace\'s name.')
param workspace string

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Whether the online endpoint answers in the private network only.')
param private bool

@description('The resource id of the identity that endpoints act as.')
param identity string

var acts = {
  type: 'UserAssigned'
  userAssignedIdentities: { '${identity}': {} }
}

resource parent 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspace
}

// Traffic and default deployment are part of the same resource: writing it again would take them away.
@onlyIfNotExists()
resource online 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints@2025-06-01' = {
  parent: parent
  name: names.onlineEndpoint
  location: location
  tags: tags
  kind: 'Managed'
  identity: acts
  properties: {
    authMode: 'AADToken'
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
  }
}

@onlyIfNotExists()
resource batch 'Microsoft.MachineLearningServices/workspaces/batchEndpoints@2025-06-01' = {
  parent: parent
  name: names.batchEndpoint
  location: location
  tags: tags
  identity: acts
  properties: { authMode: 'AADToken' }
}

@description('The online endpoint\'s name.')
output online string = online.name

@description('How the online endpoint lets callers in, as stage files say it.')
output auth string = 'aad_token'

@description('The batch endpoint\'s name.')
output batch string = batch.name
