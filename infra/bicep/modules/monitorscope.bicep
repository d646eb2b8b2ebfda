// Azure Monitor inside the private network: one endpoint for what the scope names, and nothing else of it from there.

@description('The scope\'s name.')
param name string

@description('Resource ids of logs, Application Insights and data collection endpoints, by what they are.')
param resources object

@description('Where it is, who may reach it, and where its logs go.')
param place object

resource named 'Microsoft.Insights/privateLinkScopes@2021-07-01-preview' = {
  name: name
  location: 'global'
  tags: place.tags
  properties: {
    accessModeSettings: {
      ingestionAccessMode: 'PrivateOnly'
      queryAccessMode: 'PrivateOnly'
    }
  }
}

resource part 'Microsoft.Insights/privateLinkScopes/scopedResources@2021-07-01-preview' = [
  for entry in items(resources): {
    parent: named
    name: entry.key
    properties: { linkedResourceId: entry.value }
  }
]

// Its names are those of what is in the scope by then.
module endpoint 'privateendpoint.bicep' = {
  name: '${name}-azuremonitor'
  dependsOn: [part]
  params: {
    name: name
    part: 'azuremonitor'
    target: named.id
    zones: ['monitor', 'oms', 'ods', 'agentsvc', 'blob']
    place: place
  }
}

@description('The scope\'s resource id.')
output id string = named.id
