// A cluster that serves a stage: what infra/kubernetes and infra/flux expect. Accounts are Entra's only.

@description('The cluster\'s name.')
param name string

@description('Where it is, who may reach it, and where its logs go.')
param place object

@description('Whether the control plane has an agreed uptime, and a node for serving is always there.')
param production bool

@description('The Entra tenant that vouches for people and pipelines.')
param tenant string

@description('The subnet\'s id of the nodes where the stage is private, else empty: the cluster makes its own network.')
param nodesSubnet string = ''

@description('The VM size of nodes, those of the system\'s pool too.')
param cpuSize string

@description('The most nodes that serve on CPUs.')
@minValue(1)
param cpuMaxNodes int

@description('The VM size of nodes with GPUs.')
param gpuSize string

@description('The most nodes with GPUs; 0: no such pool. They never are low-priority ones: these serve.')
@minValue(0)
param gpuMaxNodes int

@description('Minor version; infra/kubernetes mounts images, which needs 1.35.')
param kubernetesVersion string = '1.35'

@description('The name of the identity that pods of the stage\'s service account act as.')
param serving string

@description('The stage\'s namespace on the cluster: kubernetes.namespace of the stage file, or model and stage.')
param namespace string

@description('The name of the Azure ML workspace that the cluster is attached to.')
param workspace string

@description('Whether Azure ML\'s extension is installed; the Secret that it names has to be there before.')
param machineLearning bool = false

@description('The host that the certificate of Azure ML\'s router is for; it lies in the Secret azureml/azureml-tls.')
param inferenceHost string = 'azureml.visionline.internal'

@description('The address of the repository that Flux follows; empty: no Flux.')
param gitopsRepository string = ''

@description('The stage, whose folder clusters/STAGE of the repository is followed.')
param stage string

@description('The resource id of the Azure Monitor workspace that metrics go to; empty: they stay on the cluster.')
param metrics string = ''

var operatorRole = 'f1a07417-d97a-45cb-824c-7a7467783830'
var networkRole = '4d97b98b-1d4f-4787-a291-c67834d212e7'

var path = split(nodesSubnet, '/')

// GPUs are not in every zone, so their pool is where Azure has some.
var zones = production ? ['1', '2', '3'] : null
var cpuLeast = min(production ? 2 : 1, cpuMaxNodes)

// Where there is no subnet the property is left out.
var inSubnet = empty(nodesSubnet) ? {} : {
  vnetSubnetID: nodesSubnet
}

resource servingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: serving
}

resource clusterIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}'
  location: place.location
  tags: place.tags
}

resource nodesIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}-nodes'
  location: place.location
  tags: place.tags
}

// Both before the cluster, which can't be made without them; all other roles are in infra/roles.yaml.
resource operateNodes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(nodesIdentity.id, clusterIdentity.id, operatorRole)
  scope: nodesIdentity
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', operatorRole)
    principalId: clusterIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' existing = if (place.private) {
  name: place.private ? path[length(path) - 3] : 'none'
}

resource subnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = if (place.private) {
  parent: network
  name: 'nodes'
}

resource joinSubnet 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (place.private) {
  name: guid(name, nodesSubnet, networkRole)
  scope: subnet
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', networkRole)
    principalId: clusterIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2026-04-01' = {
  name: name
  location: place.location
  tags: place.tags
  sku: { name: 'Base', tier: production ? 'Standard' : 'Free' }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${clusterIdentity.id}': {} }
  }
  properties: {
    dnsPrefix: name
    kubernetesVersion: kubernetesVersion
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
      tenantID: tenant
    }
    apiServerAccessProfile: {
      enablePrivateCluster: place.private
      disableRunCommand: true
    }
    autoUpgradeProfile: { upgradeChannel: 'patch', nodeOSUpgradeChannel: 'NodeImage' }
    identityProfile: {
      kubeletidentity: {
        resourceId: nodesIdentity.id
        clientId: nodesIdentity.properties.clientId
        objectId: nodesIdentity.properties.principalId
      }
    }
    oidcIssuerProfile: { enabled: true }
    securityProfile: { workloadIdentity: { enabled: true }, imageCleaner: { enabled: true, intervalHours: 168 } }
    addonProfiles: { azurepolicy: { enabled: true } }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      loadBalancerSku: 'standard'
      outboundType: place.private ? 'userAssignedNATGateway' : 'loadBalancer'
      podCidr: '192.168.0.0/16'
      serviceCidr: '172.16.0.0/16'
      dnsServiceIP: '172.16.0.10'
    }
    autoScalerProfile: {
      expander: 'least-waste'
      'scale-down-unneeded-time': '10m'
      'skip-nodes-with-system-pods': 'true'
      'balance-similar-node-groups': 'true'
    }
    workloadAutoScalerProfile: { keda: { enabled: true } }
    // The Gateway API and Istio's gateway class, run by Azure: learn.microsoft.com/azure/aks/app-routing-gateway-api
    ingressProfile: {
      gatewayAPI: { installation: 'Standard' }
      webAppRouting: {
        enabled: true
        nginx: { defaultIngressControllerType: 'None' }
        gatewayAPIImplementations: { appRoutingIstio: { mode: 'Enabled' } }
      }
    }
    azureMonitorProfile: { metrics: { enabled: !empty(metrics) } }
    // The system's own pods have nodes to themselves.
    agentPoolProfiles: [
      union(inSubnet, {
        name: 'system'
        mode: 'System'
        vmSize: cpuSize
        type: 'VirtualMachineScaleSets'
        osSKU: 'AzureLinux'
        enableAutoScaling: true
        count: production ? 2 : 1
        minCount: production ? 2 : 1
        maxCount: 3
        availabilityZones: zones
        nodeTaints: ['CriticalAddonsOnly=true:NoSchedule']
        upgradeSettings: { maxSurge: '10%' }
      })
    ]
  }
  dependsOn: [operateNodes, joinSubnet]
}

// What serves on CPUs.
resource cpu 'Microsoft.ContainerService/managedClusters/agentPools@2026-04-01' = {
  parent: cluster
  name: 'cpu'
  properties: union(inSubnet, {
    mode: 'User'
    vmSize: cpuSize
    type: 'VirtualMachineScaleSets'
    osSKU: 'AzureLinux'
    tags: place.tags
    enableAutoScaling: true
    count: cpuLeast
    minCount: cpuLeast
    maxCount: cpuMaxNodes
    availabilityZones: zones
    nodeLabels: { 'visionline/pool': 'cpu' }
    upgradeSettings: { maxSurge: '10%' }
  })
}

// What infra/kubernetes/overlays/gpu tolerates: nothing else comes to these nodes, and without work there are none.
resource gpu 'Microsoft.ContainerService/managedClusters/agentPools@2026-04-01' = if (gpuMaxNodes > 0) {
  parent: cluster
  name: 'gpu'
  properties: union(inSubnet, {
    mode: 'User'
    vmSize: gpuSize
    type: 'VirtualMachineScaleSets'
    osSKU: 'Ubuntu'
    gpuProfile: { driver: 'Install' }
    tags: place.tags
    enableAutoScaling: true
    count: 0
    minCount: 0
    maxCount: gpuMaxNodes
    nodeLabels: { 'visionline/pool': 'gpu' }
    nodeTaints: ['sku=gpu:NoSchedule']
    upgradeSettings: { maxSurge: '10%' }
  })
}

// Pods of the stage's service account get tokens of the serving identity, and no secret.
resource federated 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: servingIdentity
  name: 'kubernetes'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: cluster.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:${namespace}:visionline'
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: cluster
  properties: {
    workspaceId: place.logs
    logs: [
      { category: 'kube-audit-admin', enabled: true }
      { category: 'guard', enabled: true }
      { category: 'kube-apiserver', enabled: true }
      { category: 'cluster-autoscaler', enabled: true }
    ]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

// What Azure keeps running on the cluster.
module extensions 'aksextensions.bicep' = {
  name: '${name}-extensions'
  params: {
    name: cluster.name
    production: production
    gpus: gpuMaxNodes > 0
    workspace: workspace
    machineLearning: machineLearning
    inferenceHost: inferenceHost
    gitopsRepository: gitopsRepository
    stage: stage
  }
  dependsOn: [cpu]
}

module collection 'aksmetrics.bicep' = if (!empty(metrics)) {
  name: '${name}-metrics'
  params: {
    name: cluster.name
    place: place
    metrics: metrics
  }
}

@description('The cluster\'s resource id.')
output id string = cluster.id

@description('The cluster\'s name.')
output name string = cluster.name

@description('The principal id of the nodes\' identity, which pulls images.')
output nodes string = nodesIdentity.properties.principalId

@description('The resource id of what takes the cluster\'s metrics; empty: nothing does.')
output collector string = empty(metrics) ? '' : collection!.outputs.collector
