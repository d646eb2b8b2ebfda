// A small place to try a version without a cluster: it costs nothing while nobody asks.

@description('The app\'s name.')
@minLength(2)
@maxLength(32)
param name string

@description('The name of the environment that it runs in.')
param environment string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('The subnet\'s id of the environment where the stage is private, else empty: it has a network of its own.')
param appsSubnet string = ''

@description('The resource id of the identity that pulls the image.')
param identity string

@description('The host of the registry that the image lies in.')
param registry string

@description('An image of runtime and model together, by digest; empty: the environment waits for one.')
param image string = ''

@description('Networks that may ask the app from outside, as 203.0.113.0/24; none: only what shares its network.')
param callers array = []

resource environmentOfApps 'Microsoft.App/managedEnvironments@2025-07-01' = {
  name: environment
  location: place.location
  tags: place.tags
  properties: {
    appLogsConfiguration: { destination: 'azure-monitor' }
    publicNetworkAccess: place.private ? 'Disabled' : 'Enabled'
    vnetConfiguration: place.private ? {
      infrastructureSubnetId: appsSubnet
      internal: true
    } : null
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: environmentOfApps
  properties: {
    workspaceId: place.logs
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource app 'Microsoft.App/containerApps@2025-07-01' = if (!empty(image)) {
  name: name
  location: place.location
  tags: place.tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity}': {}
    }
  }
  properties: {
    environmentId: environmentOfApps.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [
        {
          server: registry
          identity: identity
        }
      ]
      ingress: {
        external: place.private || !empty(callers)
        allowInsecure: false
        targetPort: 8080
        transport: 'auto'
        traffic: [
          {
            latestRevision: true
            weight: 100
          }
        ]
        ipSecurityRestrictions: [for (range, index) in callers: {
          name: 'caller-${index}'
          action: 'Allow'
          ipAddressRange: range
        }]
      }
    }
    template: {
      scale: {
        minReplicas: 0
        maxReplicas: 2
        rules: [
          {
            name: 'requests'
            http: {
              metadata: { concurrentRequests: '8' }
            }
          }
        ]
      }
      containers: [
        {
          name: 'runtime'
          image: image
          resources: {
            cpu: json('1')
            memory: '2Gi'
          }
          probes: [
            {
              type: 'Startup'
              periodSeconds: 1
              failureThreshold: 30
              httpGet: {
                path: '/v2/health/ready'
                port: 8080
              }
            }
            {
              type: 'Readiness'
              periodSeconds: 5
              httpGet: {
                path: '/v2/health/ready'
                port: 8080
              }
            }
            {
              type: 'Liveness'
              periodSeconds: 10
              httpGet: {
                path: '/v2/health/live'
                port: 8080
              }
            }
          ]
        }
      ]
    }
  }
}

@description('The environment\'s resource id.')
output id string = environmentOfApps.id

@description('Where the app answers; empty while it has no image.')
output url string = empty(image) ? '' : 'https://${name}.${environmentOfApps.properties.defaultDomain}'
