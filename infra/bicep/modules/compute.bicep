// Clusters of Azure ML by the names that stage files use. Without a job they have no nodes and cost nothing.

@description('The workspace\'s name.')
param workspace string

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Whether nodes have no public address.')
param private bool

@description('The resource id of the identity that jobs act as.')
param identity string

@description('The VM size of CPU nodes.')
param cpuSize string

@description('The most CPU nodes.')
param cpuMaxNodes int

@description('The VM size of GPU nodes.')
param gpuSize string

@description('The most GPU nodes; 0: no GPU cluster.')
param gpuMaxNodes int

@description('Whether GPU nodes are those that Azure may take away.')
param gpuLowPriority bool

var clusters = [
  { name: 'cpu-cluster', size: cpuSize, maxNodes: cpuMaxNodes, priority: 'Dedicated' }
  { name: 'gpu-cluster', size: gpuSize, maxNodes: gpuMaxNodes, priority: gpuLowPriority ? 'LowPriority' : 'Dedicated' }
]

resource parent 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspace
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = [
  for one in filter(clusters, each => each.maxNodes > 0): {
    parent: parent
    name: one.name
    location: location
    tags: tags
    identity: {
      type: 'UserAssigned'
      userAssignedIdentities: { '${identity}': {} }
    }
    properties: {
      computeType: 'AmlCompute'
      disableLocalAuth: true
      properties: {
        vmSize: one.size
        vmPriority: one.priority
        enableNodePublicIp: !private
        remoteLoginPortPublicAccess: 'Disabled'
        scaleSettings: {
          minNodeCount: 0
          maxNodeCount: one.maxNodes
          nodeIdleTimeBeforeScaleDown: 'PT5M'
        }
      }
    }
  }
]

@description('The clusters\' names.')
output clusters array = map(filter(clusters, each => each.maxNodes > 0), one => one.name)
