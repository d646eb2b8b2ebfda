// Where logs and traces of the stage go.

@description('Names of resources: logs, insights.')
param names object

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Whether logs are kept for 90 days rather than 30.')
param production bool

@description('Whether logs are sent and asked from the private network only.')
param private bool

var outside = private ? 'Disabled' : 'Enabled'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: names.logs
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: production ? 90 : 30
    features: { disableLocalAuth: true }
    publicNetworkAccessForIngestion: outside
    publicNetworkAccessForQuery: outside
  }
}

// Azure ML's endpoints send with this component's key, so its local authentication stays on; and from machines of
// Azure's, outside the stage's network, so it takes what comes from outside. Who asks it what it knows has to be inside.
resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: names.insights
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: outside
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: workspace
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('The resource id of the Log Analytics workspace.')
output logs string = workspace.id

@description('The resource id of Application Insights.')
output insights string = component.id
