// A service's address inside the private network, under the name that it has outside.

@description('The name of the service\'s resource.')
param name string

@description('Which part of the service, as blob or vault.')
param part string

@description('The resource id of the service.')
param target string

@description('Keys of the private DNS zones that it is named in.')
param zones array

@description('Where it is, who may reach it, and where its logs go.')
param place object

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: 'pe-${name}-${part}'
  location: place.location
  tags: place.tags
  properties: {
    subnet: { id: place.subnet }
    privateLinkServiceConnections: [
      {
        name: part
        properties: {
          privateLinkServiceId: target
          groupIds: [part]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [for zone in zones: {
      name: zone
      properties: { privateDnsZoneId: place.zones[zone] }
    }]
  }
}

@description('The private endpoint\'s resource id.')
output id string = endpoint.id
