// A cluster as a compute of the workspace, once the workspace has its roles on it.

@description('The workspace\'s name.')
param workspace string

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The cluster\'s resource id; Azure ML\'s extension is installed there.')
param cluster string

@description('The resource id of the identity that what runs there acts as.')
param identity string

resource parent 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspace
}

resource compute 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: parent
  name: 'aks'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity}': {} }
  }
  properties: {
    computeType: 'Kubernetes'
    disableLocalAuth: true
    resourceId: cluster
    properties: {
      namespace: 'default'
      defaultInstanceType: 'defaultinstancetype'
    }
  }
}

@description('The compute\'s name: azureml.online.compute.')
output name string = compute.name
