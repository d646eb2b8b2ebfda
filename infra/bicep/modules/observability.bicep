// Where the metrics of all clusters go, who looks at them, and who is told.

@description('The project\'s name, by which mail is recognized.')
@maxLength(12)
param project string

@description('Names of resources: logs, metrics, dashboards.')
param names object

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Who is told of alerts: e-mail addresses.')
param contacts array

@description('Who may look at dashboards: object ids of Entra groups.')
param viewers array

@description('Whether metrics and dashboards are reached through private endpoints only.')
param private bool

var outside = private ? 'Disabled' : 'Enabled'
var readerRole = 'b0d8363b-8ddd-447d-831f-62ca05bff136'
var viewerRole = '60921a7e-fef1-4a43-9b16-a26c52ad4769'
var roleType = 'Microsoft.Authorization/roleDefinitions'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: names.logs
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 90
    features: { disableLocalAuth: true }
    publicNetworkAccessForIngestion: outside
    publicNetworkAccessForQuery: outside
  }
}

// Numbers only, opened by roles. Clusters send them by collectors of their own; this is how they are asked for.
resource account 'Microsoft.Monitor/accounts@2023-04-03' = {
  name: names.metrics
  location: location
  tags: tags
  properties: { publicNetworkAccess: outside }
}

// People come in by Entra only: it has no keys.
resource grafana 'Microsoft.Dashboard/grafana@2023-09-01' = {
  name: names.dashboards
  location: location
  tags: tags
  sku: { name: 'Standard' }
  identity: { type: 'SystemAssigned' }
  properties: {
    grafanaMajorVersion: '11'
    apiKey: 'Disabled'
    publicNetworkAccess: outside
    grafanaIntegrations: {
      azureMonitorWorkspaceIntegrations: [
        { azureMonitorWorkspaceResourceId: account.id }
      ]
    }
  }
}

// By it Grafana asks what is closed to everybody outside. Who owns the metrics approves it once: infra/README.md.
resource managed 'Microsoft.Dashboard/grafana/managedPrivateEndpoints@2023-09-01' = if (private) {
  parent: grafana
  name: 'metrics'
  location: location
  tags: tags
  properties: {
    privateLinkResourceId: account.id
    privateLinkResourceRegion: location
    groupIds: ['prometheusMetrics']
  }
}

resource ofGrafana 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, grafana.id, readerRole)
  scope: account
  properties: {
    principalId: grafana.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(roleType, readerRole)
  }
}

resource ofViewers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for viewer in viewers: {
    name: guid(grafana.id, viewer, viewerRole)
    scope: grafana
    properties: {
      principalId: viewer
      roleDefinitionId: subscriptionResourceId(roleType, viewerRole)
    }
  }
]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: grafana
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${project}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: project
    enabled: true
    emailReceivers: [for (contact, index) in contacts: {
      name: 'contact-${index}'
      emailAddress: contact
      useCommonAlertSchema: true
    }]
  }
}

// infra/monitoring/rules.yaml, as Azure runs it: 1m becomes PT1M, page and ticket become severities.
var severity = { page: 1, ticket: 3 }
var rulesFile = loadYamlContent('../../monitoring/rules.yaml')

resource groups 'Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01' = [
  for group in rulesFile.groups: {
    name: group.name
    location: location
    tags: tags
    properties: {
      enabled: true
      interval: 'PT${toUpper(group.interval)}'
      scopes: [account.id]
      rules: map(group.rules, rule => {
        alert: rule.alert
        expression: rule.expr
        for: 'PT${toUpper(rule['for'])}'
        severity: severity[rule.labels.severity]
        labels: rule.labels
        annotations: rule.annotations
        enabled: true
        actions: [{ actionGroupId: told.id }]
        resolveConfiguration: { autoResolved: true, timeToResolve: 'PT10M' }
      })
    }
  }
]

@description('The resource id of the Azure Monitor workspace.')
output metrics string = account.id

@description('The resource id of the Log Analytics workspace.')
output logs string = workspace.id

@description('Where dashboards are.')
output grafanaUrl string = grafana.properties.endpoint
