// The private network: a subnet for private endpoints, one for CI's agents, one for cluster nodes, one for the sandbox.

@description('The network\'s name.')
param name string

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The network\'s addresses: 16 bits.')
param addressSpace string

@description('Whose agents join the network.')
@allowed(['github', 'azure-devops'])
param ciSystem string

var agents = {
  github: 'GitHub.Network/networkSettings'
  'azure-devops': 'Microsoft.DevOpsInfrastructure/pools'
}
var subnets = [
  { name: 'endpoints', range: cidrSubnet(addressSpace, 24, 0), delegation: '', leaves: false }
  { name: 'agents', range: cidrSubnet(addressSpace, 24, 1), delegation: agents[ciSystem], leaves: true }
  { name: 'sandbox', range: cidrSubnet(addressSpace, 24, 2), delegation: 'Microsoft.App/environments', leaves: true }
  { name: 'nodes', range: cidrSubnet(addressSpace, 20, 1), delegation: '', leaves: true }
]
var zones = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  file: 'privatelink.file.${environment().suffixes.storage}'
  vault: 'privatelink.vaultcore.azure.net'
  registry: 'privatelink.azurecr.io'
  api: 'privatelink.api.azureml.ms'
  notebooks: 'privatelink.notebooks.azure.net'
  // Azure Monitor has one endpoint for all of a scope, under four names of its own and one of Blob storage's.
  monitor: 'privatelink.monitor.azure.com'
  oms: 'privatelink.oms.opinsights.azure.com'
  ods: 'privatelink.ods.opinsights.azure.com'
  agentsvc: 'privatelink.agentsvc.azure-automation.net'
  prometheus: 'privatelink.${location}.prometheus.monitor.azure.com'
  grafana: 'privatelink.grafana.azure.com'
}

// Azure's default rules: nothing comes in from outside the network.
resource rules 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: 'nsg-${name}'
  location: location
  tags: tags
  properties: { securityRules: [] }
}

// The way out of agents, nodes and the sandbox: to the code host, to package indexes, to Azure.
resource address 'Microsoft.Network/publicIPAddresses@2024-05-01' = {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static' }
}

resource out 'Microsoft.Network/natGateways@2024-05-01' = {
  name: 'ng-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: address.id }] }
}

// Subnets are written within the network: apart from it, a second deployment would take them away first.
resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressSpace] }
    subnets: [for subnet in subnets: {
      name: subnet.name
      properties: {
        addressPrefix: subnet.range
        defaultOutboundAccess: false
        privateEndpointNetworkPolicies: 'Enabled'
        networkSecurityGroup: { id: rules.id }
        natGateway: subnet.leaves ? { id: out.id } : null
        delegations: empty(subnet.delegation) ? [] : [
          { name: 'owner', properties: { serviceName: subnet.delegation } }
        ]
      }
    }]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for entry in items(zones): {
    name: entry.value
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (entry, index) in items(zones): {
    parent: zone[index]
    name: name
    location: 'global'
    tags: tags
    properties: {
      virtualNetwork: { id: network.id }
      registrationEnabled: false
    }
  }
]

@description('The network\'s resource id.')
output id string = network.id

@description('Resource ids of subnets.')
output subnets object = {
  endpoints: '${network.id}/subnets/endpoints'
  agents: '${network.id}/subnets/agents'
  sandbox: '${network.id}/subnets/sandbox'
  nodes: '${network.id}/subnets/nodes'
}

@description('Resource ids of private DNS zones, by what they name.')
output zones object = {
  blob: resourceId('Microsoft.Network/privateDnsZones', zones.blob)
  file: resourceId('Microsoft.Network/privateDnsZones', zones.file)
  vault: resourceId('Microsoft.Network/privateDnsZones', zones.vault)
  registry: resourceId('Microsoft.Network/privateDnsZones', zones.registry)
  api: resourceId('Microsoft.Network/privateDnsZones', zones.api)
  notebooks: resourceId('Microsoft.Network/privateDnsZones', zones.notebooks)
  monitor: resourceId('Microsoft.Network/privateDnsZones', zones.monitor)
  oms: resourceId('Microsoft.Network/privateDnsZones', zones.oms)
  ods: resourceId('Microsoft.Network/privateDnsZones', zones.ods)
  agentsvc: resourceId('Microsoft.Network/privateDnsZones', zones.agentsvc)
  prometheus: resourceId('Microsoft.Network/privateDnsZones', zones.prometheus)
  grafana: resourceId('Microsoft.Network/privateDnsZones', zones.grafana)
}
