// What all stages share, deployed once, before them. One command deploys it: see infra/README.md.
targetScope = 'subscription'

@description('The project\'s name, part of every resource\'s name: lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(12)
param name string

@description('Makes names unique that all of Azure shares: lower-case letters and digits, the same as in the stages.')
@minLength(3)
@maxLength(5)
param suffix string

@description('Azure\'s region of all resources, as westeurope.')
@minLength(4)
param location string

@description('Whether registries, metrics and dashboards are reached through the stages\' private endpoints only.')
param private bool

@description('Who is told of alerts and of the budget: e-mail addresses.')
@minLength(1)
param alertContacts array

@description('Who may look at dashboards: object ids of Entra groups.')
param dashboardViewers array = []

@description('What all of it may cost a month, in the subscription\'s currency; alerts are sent, nothing is stopped.')
@minValue(1)
param budgetAmount int

@description('The first day of the month of the first deployment, as 2026-01-01; never change it after.')
@minLength(10)
@maxLength(10)
param budgetStart string

@description('Whether what holds data can\'t be deleted until somebody takes the lock away.')
param lock bool

@description('Tags of every resource, at least owner; project and stage are added.')
param tags object

// As mlops/names.py has them; a test compares both.
var names = {
  resourceGroup: 'rg-${name}-shared'
  registry: 'mlr-${name}'
  images: 'cr${name}shared${suffix}'
  metrics: 'amw-${name}'
  dashboards: 'amg-${name}'
  logs: 'log-${name}-shared'
}

var allTags = union(tags, { project: name, stage: 'shared' })

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: names.resourceGroup
  location: location
  tags: allTags
}

module observability 'modules/observability.bicep' = {
  name: 'observability'
  scope: group
  params: {
    project: name
    names: names
    location: location
    tags: allTags
    private: private
    contacts: alertContacts
    viewers: dashboardViewers
  }
}

module mlregistry 'modules/mlregistry.bicep' = {
  name: 'mlregistry'
  scope: group
  params: {
    name: names.registry
    location: location
    tags: allTags
    private: private
    logs: observability.outputs.logs
  }
}

module images 'modules/images.bicep' = {
  name: 'images'
  scope: group
  params: {
    name: names.images
    location: location
    tags: allTags
    private: private
    logs: observability.outputs.logs
  }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  scope: group
  params: {
    name: 'budget-${name}-shared'
    amount: budgetAmount
    contacts: alertContacts
    start: budgetStart
  }
}

module locks 'modules/sharedlocks.bicep' = if (lock) {
  name: 'locks'
  scope: group
  params: {
    registry: mlregistry.outputs.name
    images: images.outputs.name
    metrics: names.metrics
    logs: names.logs
  }
  dependsOn: [observability]
}

@description('The subscription\'s id.')
output subscription string = subscription().subscriptionId

@description('What stages are told as sharedResourceGroup.')
output resourceGroup string = group.name

@description('The Azure ML registry\'s name: azureml.registry of stage files.')
output registry string = mlregistry.outputs.name

@description('The host of the registry for images of versions: the first part of images.registry.')
output imageRegistry string = images.outputs.loginServer

@description('The resource id of the Azure Monitor workspace that clusters send metrics to.')
output metrics string = observability.outputs.metrics

@description('Where dashboards are; infra/monitoring says how they come there.')
output grafanaUrl string = observability.outputs.grafanaUrl
