// Managed Prometheus: what it collects goes to the workspace that stages share (infra/monitoring says what).

@description('The cluster\'s name.')
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('The resource id of the Azure Monitor workspace.')
param metrics string

resource cluster 'Microsoft.ContainerService/managedClusters@2026-04-01' existing = {
  name: name
}

// A private stage's scope names it, so that the cluster finds it inside the network.
resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2022-06-01' = {
  name: 'dce-${name}'
  location: place.location
  tags: place.tags
  kind: 'Linux'
  properties: { networkAcls: { publicNetworkAccess: place.private ? 'Disabled' : 'Enabled' } }
}

resource rule 'Microsoft.Insights/dataCollectionRules@2022-06-01' = {
  name: 'dcr-${name}'
  location: place.location
  tags: place.tags
  kind: 'Linux'
  properties: {
    dataCollectionEndpointId: endpoint.id
    dataSources: {
      prometheusForwarder: [
        {
          name: 'prometheus'
          streams: ['Microsoft-PrometheusMetrics']
        }
      ]
    }
    destinations: {
      monitoringAccounts: [
        {
          name: 'shared'
          accountResourceId: metrics
        }
      ]
    }
    dataFlows: [
      {
        streams: ['Microsoft-PrometheusMetrics']
        destinations: ['shared']
      }
    ]
  }
}

resource toRule 'Microsoft.Insights/dataCollectionRuleAssociations@2022-06-01' = {
  name: 'dcra-${name}'
  scope: cluster
  properties: { dataCollectionRuleId: rule.id }
}

// This name is Azure's own for an endpoint's association.
resource toEndpoint 'Microsoft.Insights/dataCollectionRuleAssociations@2022-06-01' = {
  name: 'configurationAccessEndpoint'
  scope: cluster
  properties: { dataCollectionEndpointId: endpoint.id }
}

@description('The resource id of what takes the cluster\'s metrics.')
output collector string = endpoint.id

@description('The resource id of the rule that says what is collected.')
output rule string = rule.id
