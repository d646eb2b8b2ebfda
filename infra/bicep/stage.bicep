// A stage: everything in one resource group. One command deploys it: see infra/README.md.
targetScope = 'subscription'

@description('The project\'s name, part of every resource\'s name: lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(12)
param name string

@description('The rung of promotion that this deployment is.')
@allowed(['dev', 'qa', 'production'])
param stage string

@description('Makes names unique that all of Azure shares: lower-case letters and digits, the same in every stage.')
@minLength(3)
@maxLength(5)
param suffix string

@description('Azure\'s region of all resources, as westeurope.')
@minLength(4)
param location string

@description('Whether everything is reached through a private network only. Can\'t be taken back for a workspace.')
param private bool

@description('The private network\'s addresses, 16 bits; networks that are to be peered must not overlap.')
param addressSpace string = '10.40.0.0/16'

@description('The VM size of the CPU cluster\'s nodes.')
param cpuSize string = 'Standard_D4s_v5'

@description('The most nodes of the CPU cluster; without a job it has none.')
@minValue(1)
@maxValue(100)
param cpuMaxNodes int = 4

@description('The VM size of the GPU cluster\'s nodes.')
param gpuSize string = 'Standard_NC24ads_A100_v4'

@description('The most nodes of the GPU cluster; 0: no GPU cluster is made.')
@minValue(0)
@maxValue(100)
param gpuMaxNodes int = 0

@description('Whether GPU nodes are the cheap ones that Azure may take away.')
param gpuLowPriority bool = true

@description('Where the stage serves on Kubernetes: none, aks (a cluster is made) or arc (arcCluster is used).')
@allowed(['none', 'aks', 'arc'])
param kubernetes string = 'none'

@description('The resource id of a cluster that is Arc-enabled; needed where kubernetes is arc, else empty.')
param arcCluster string = ''

@description('Whether Azure ML\'s extension is on the cluster; the Secret azureml/azureml-tls has to be there before.')
param machineLearning bool = false

@description('Where pipelines run.')
@allowed(['github', 'azure-devops'])
param ciSystem string = 'github'

@description('Whose pipelines may act for this stage: owner/repository; Azure DevOps: organization/project.')
@minLength(3)
param gitRepository string

@description('Who vouches for CI: empty on GitHub; on Azure DevOps empty, or what its service connections say.')
param issuer string = ''

@description('Whom the issuer names: empty on GitHub; on Azure DevOps empty, or the subject of visionline-STAGE.')
param subject string = ''

@description('Whom the issuer names for who applies this: empty on GitHub, else the subject of visionline-infra-STAGE.')
param infraSubject string = ''

@description('Whom the issuer names for the environment operations: empty on GitHub, else its connection\'s subject.')
param operationsSubject string = ''

@description('Whom the issuer names for the environment plan: empty on GitHub, else its connection\'s subject.')
param planSubject string = ''

@description('The object id of the identity operations (dev\'s output), if dev has its own subscription.')
param operationsPrincipal string = ''

@description('The object id of the identity plan (dev\'s output), if dev has its own subscription.')
param planPrincipal string = ''

@description('Whether another stage of this subscription gives operations and plan their rights on what is shared.')
param sharedRightsGiven bool = false

@description('The address of the repository that Flux follows; empty: no Flux.')
param gitopsRepository string = ''

@description('What the stage may cost a month, in the subscription\'s currency; alerts are sent, nothing is stopped.')
@minValue(1)
param budgetAmount int

@description('Who gets the budget\'s alerts: e-mail addresses.')
@minLength(1)
param budgetContacts array

@description('The first day of the month of the first deployment, as 2026-01-01; never change it after.')
@minLength(10)
@maxLength(10)
param budgetStart string

@description('Whether what holds data can\'t be deleted until somebody takes the lock away.')
param lock bool

@description('Whether a small container target (Container Apps) is made beside everything else.')
param sandbox bool = false

@description('What the sandbox runs, runtime and model together: REGISTRY/NAME@sha256:DIGEST; empty: it waits for one.')
param sandboxImage string = ''

@description('Whether the pipeline batch-score scores for this stage: its identity operations may then write here.')
param scoresBatches bool = false

@description('Networks that may ask the sandbox from outside, as 203.0.113.0/24; none: only what shares its network.')
param sandboxCallers array = []

@description('Tags of every resource, at least owner; project and stage are added.')
param tags object

@description('A tag: after this day, as 2026-01-31, what was made for a pull request may be deleted. Empty: it stays.')
param ttl string = ''

@description('The resource group of what all stages share; empty: each stage keeps its own versions and images.')
param sharedResourceGroup string = ''

@description('Whether that is reached through private endpoints only, as private of shared.bicepparam says.')
param sharedPrivate bool = false

// As mlops/names.py has them; a test compares both.
var short = stage == 'production' ? 'prod' : stage
var names = {
  resourceGroup: 'rg-${name}-${stage}'
  network: 'vnet-${name}-${stage}'
  ci: 'id-${name}-${stage}-ci'
  jobs: 'id-${name}-${stage}-jobs'
  serving: 'id-${name}-${stage}-serving'
  infra: 'id-${name}-${stage}-infra'
  operations: 'id-${name}-operations'
  plan: 'id-${name}-plan'
  logs: 'log-${name}-${stage}'
  insights: 'appi-${name}-${stage}'
  monitorScope: 'ampls-${name}-${stage}'
  storage: 'st${name}${short}${suffix}'
  captures: 'stc${name}${short}${suffix}'
  keyVault: 'kv-${name}${short}${suffix}'
  images: 'cr${name}${short}${suffix}'
  workspace: 'mlw-${name}-${stage}'
  onlineEndpoint: '${name}-${short}-online-${suffix}'
  batchEndpoint: '${name}-${short}-batch-${suffix}'
  kubernetes: 'aks-${name}-${stage}'
  namespace: '${name}-${stage}'
  sandbox: 'ca-${name}-${stage}'
  sandboxEnvironment: 'cae-${name}-${stage}'
  budget: 'budget-${name}-${stage}'
}
var sharedNames = {
  registry: 'mlr-${name}'
  metrics: 'amw-${name}'
  dashboards: 'amg-${name}'
  images: 'cr${name}shared${suffix}'
}

var allTags = union(tags, { project: name, stage: stage }, empty(ttl) ? {} : { ttl: ttl })
var production = stage == 'production'
var isShared = !empty(sharedResourceGroup)
var shared = '${subscription().id}/resourceGroups/${sharedResourceGroup}/providers'
var registryType = 'Microsoft.MachineLearningServices/registries'
var sharedRegistry = isShared ? '${shared}/${registryType}/${sharedNames.registry}' : ''
var sharedImages = '${shared}/Microsoft.ContainerRegistry/registries/${sharedNames.images}'
var sharedMetrics = isShared ? '${shared}/Microsoft.Monitor/accounts/${sharedNames.metrics}' : ''
var sharedBoards = '${shared}/Microsoft.Dashboard/grafana/${sharedNames.dashboards}'
var imageRegistry = isShared ? '${sharedNames.images}.azurecr.io' : registry.outputs.loginServer
var isAks = kubernetes == 'aks'
var isArc = kubernetes == 'arc'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: names.resourceGroup
  location: location
  tags: allTags
}

// What every family is told about its place.
var place = {
  location: location
  tags: allTags
  private: private
  subnet: private ? network!.outputs.subnets.endpoints : ''
  zones: private ? network!.outputs.zones : {}
  logs: monitor.outputs.logs
}

module network 'modules/network.bicep' = if (private) {
  name: 'network'
  scope: group
  params: {
    name: names.network
    location: location
    tags: allTags
    addressSpace: addressSpace
    ciSystem: ciSystem
  }
}

module monitor 'modules/monitor.bicep' = {
  name: 'monitor'
  scope: group
  params: {
    names: names
    location: location
    tags: allTags
    production: production
    private: private
  }
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    names: names
    location: location
    tags: allTags
    issuer: empty(issuer) && onGithub ? 'https://token.actions.githubusercontent.com' : issuer
    subjects: {
      ci: empty(subject) && onGithub ? 'repo:${gitRepository}:environment:${stage}' : subject
      infra: empty(infraSubject) && onGithub ? 'repo:${gitRepository}:environment:infra-${stage}' : infraSubject
      operations: empty(operationsSubject) && onGithub ? 'repo:${gitRepository}:environment:operations' : operationsSubject
      plan: empty(planSubject) && onGithub ? 'repo:${gitRepository}:environment:plan' : planSubject
    }
    makesShared: makesShared
  }
}

// Who looks at every stage, and who plans every stage, made by the first one.
var makesShared = stage == 'dev'
var onGithub = ciSystem == 'github'
var operations = makesShared ? identity.outputs.operations : operationsElsewhere
var operationsElsewhere = empty(operationsPrincipal) ? operationsOfDev!.properties.principalId : operationsPrincipal
var planner = makesShared ? identity.outputs.plan : planElsewhere
var planElsewhere = empty(planPrincipal) ? planOfDev!.properties.principalId : planPrincipal

resource operationsOfDev 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = if (!makesShared) {
  name: names.operations
  scope: resourceGroup('rg-${name}-dev')
}

resource planOfDev 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = if (!makesShared) {
  name: names.plan
  scope: resourceGroup('rg-${name}-dev')
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: names.storage
    place: place
    production: production
  }
}

module keyvault 'modules/keyvault.bicep' = {
  name: 'keyvault'
  scope: group
  params: {
    name: names.keyVault
    place: place
    tenant: tenant().tenantId
    production: production
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    name: names.images
    place: place
  }
}

module workspace 'modules/workspace.bicep' = {
  name: 'workspace'
  scope: group
  params: {
    name: names.workspace
    place: place
    storage: storage.outputs.id
    keyVault: keyvault.outputs.id
    images: registry.outputs.id
    insights: monitor.outputs.insights
    sharedRegistry: sharedRegistry
  }
}

module captures 'modules/captures.bicep' = {
  name: 'captures'
  scope: group
  params: {
    name: names.captures
    place: place
  }
}

module aks 'modules/aks.bicep' = if (isAks) {
  name: 'aks'
  scope: group
  params: {
    name: names.kubernetes
    place: place
    production: production
    tenant: tenant().tenantId
    nodesSubnet: private ? network!.outputs.subnets.nodes : ''
    cpuSize: cpuSize
    cpuMaxNodes: cpuMaxNodes
    gpuSize: gpuSize
    gpuMaxNodes: gpuMaxNodes
    serving: names.serving
    namespace: names.namespace
    workspace: workspace.outputs.name
    machineLearning: machineLearning
    gitopsRepository: gitopsRepository
    stage: stage
    metrics: sharedMetrics
  }
  dependsOn: [identity]
}

module arc 'modules/arc.bicep' = if (isArc) {
  name: 'arc-of-${names.workspace}'
  scope: resourceGroup(isArc ? split(arcCluster, '/')[4] : names.resourceGroup)
  params: {
    cluster: isArc ? last(split(arcCluster, '/')) : ''
    stage: stage
    gitopsRepository: gitopsRepository
    machineLearning: machineLearning
  }
}

module apps 'modules/sandbox.bicep' = if (sandbox) {
  name: 'sandbox'
  scope: group
  params: {
    name: names.sandbox
    environment: names.sandboxEnvironment
    place: place
    appsSubnet: private ? network!.outputs.subnets.sandbox : ''
    identity: identity.outputs.ids.serving
    registry: imageRegistry
    image: sandboxImage
    callers: sandboxCallers
  }
}

// What stages share, inside this stage's network.
module sharedVersionsEndpoint 'modules/privateendpoint.bicep' = if (sharedPrivate) {
  name: '${sharedNames.registry}-amlregistry'
  scope: group
  params: {
    name: sharedNames.registry
    part: 'amlregistry'
    target: sharedRegistry
    zones: ['api']
    place: place
  }
}

module sharedImagesEndpoint 'modules/privateendpoint.bicep' = if (sharedPrivate) {
  name: '${sharedNames.images}-registry'
  scope: group
  params: {
    name: sharedNames.images
    part: 'registry'
    target: sharedImages
    zones: ['registry']
    place: place
  }
}

module sharedMetricsEndpoint 'modules/privateendpoint.bicep' = if (sharedPrivate) {
  name: '${sharedNames.metrics}-prometheusMetrics'
  scope: group
  params: {
    name: sharedNames.metrics
    part: 'prometheusMetrics'
    target: sharedMetrics
    zones: ['prometheus']
    place: place
  }
}

module sharedBoardsEndpoint 'modules/privateendpoint.bicep' = if (sharedPrivate) {
  name: '${sharedNames.dashboards}-grafana'
  scope: group
  params: {
    name: sharedNames.dashboards
    part: 'grafana'
    target: sharedBoards
    zones: ['grafana']
    place: place
  }
}

module monitorScope 'modules/monitorscope.bicep' = if (private) {
  name: 'monitorscope'
  scope: group
  params: {
    name: names.monitorScope
    resources: union({ logs: monitor.outputs.logs, insights: monitor.outputs.insights }, collectors)
    place: place
  }
}
var collectors = isAks && isShared ? { collector: aks!.outputs.collector } : {}

// Nodes pull images as an identity of their own.
var ofNodes = isAks ? { nodes: aks!.outputs.nodes } : {}
var principals = union(identity.outputs.principals, ofNodes, { workspace: workspace.outputs.principal })
var forAll = { operations: operations, plan: planner }
// Azure takes a role on something once: on what stages share the first stage gives these theirs, and in another
// subscription, which shares other things, one of the stages there.
var givesShared = makesShared || (!empty(operationsPrincipal) && !sharedRightsGiven)
var forShared = givesShared ? forAll : {}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    private: private
    principals: union(principals, forAll, scoresBatches ? { scoring: operations } : {})
    workspace: workspace.outputs.name
    storage: storage.outputs.name
    keyVault: keyvault.outputs.name
    images: registry.outputs.name
    serving: names.serving
    captures: captures.outputs.name
    kubernetes: isAks ? aks!.outputs.name : ''
  }
}

module sharedRoles 'modules/sharedroles.bicep' = if (isShared) {
  name: 'roles-of-${names.workspace}'
  scope: resourceGroup(isShared ? sharedResourceGroup : names.resourceGroup)
  params: {
    private: private
    principals: union(principals, forShared)
    registry: sharedNames.registry
    images: sharedNames.images
  }
}

module subscriptionRoles 'modules/subscriptionroles.bicep' = {
  name: 'roles-of-${names.workspace}'
  params: {
    name: names.workspace
    principals: { plan: planner }
  }
}

// A private cluster needs the managed network, whose endpoints the workspace may approve by its role.
module compute 'modules/compute.bicep' = {
  name: 'compute'
  scope: group
  dependsOn: [roles]
  params: {
    workspace: workspace.outputs.name
    location: location
    tags: allTags
    private: private
    identity: identity.outputs.ids.jobs
    cpuSize: cpuSize
    cpuMaxNodes: cpuMaxNodes
    gpuSize: gpuSize
    gpuMaxNodes: gpuMaxNodes
    gpuLowPriority: gpuLowPriority
  }
}

module attach 'modules/attach.bicep' = if (isAks && machineLearning) {
  name: 'attach'
  scope: group
  dependsOn: [roles]
  params: {
    workspace: workspace.outputs.name
    location: location
    tags: allTags
    cluster: isAks ? aks!.outputs.id : ''
    identity: identity.outputs.ids.serving
  }
}

module endpoints 'modules/endpoints.bicep' = {
  name: 'endpoints'
  scope: group
  dependsOn: [roles]
  params: {
    names: names
    workspace: workspace.outputs.name
    location: location
    tags: allTags
    private: private
    identity: identity.outputs.ids.serving
  }
}

module budget 'modules/budget.bicep' = {
  name: 'budget'
  scope: group
  params: {
    name: names.budget
    amount: budgetAmount
    contacts: budgetContacts
    start: budgetStart
  }
}

module locks 'modules/locks.bicep' = if (lock) {
  name: 'locks'
  scope: group
  params: {
    storage: storage.outputs.name
    keyVault: keyvault.outputs.name
    images: registry.outputs.name
    captures: captures.outputs.name
    logs: names.logs
  }
  dependsOn: [monitor]
}

@description('The subscription\'s id: azureml.subscription.')
output subscription string = subscription().subscriptionId

@description('The tenant\'s id: CI\'s variable AZURE_TENANT_ID.')
output tenant string = tenant().tenantId

@description('The stage\'s resource group: azureml.resource_group.')
output resourceGroup string = group.name

@description('The workspace\'s name: azureml.workspace.')
output workspace string = workspace.outputs.name

@description('The shared Azure ML registry\'s name: azureml.registry; empty where each stage keeps its versions.')
output registry string = isShared ? sharedNames.registry : ''

@description('The host of the registry for images of versions: the first part of images.registry.')
output imageRegistry string = imageRegistry

@description('The key vault\'s name, where report_secret lies.')
output keyVault string = keyvault.outputs.name

@description('The account of captured frames.')
output capturesAccount string = captures.outputs.name

@description('Where streams keep frames: capture.to of their configuration.')
output captures string = captures.outputs.container

@description('The name of the AKS cluster that was made: kubernetes.aks; empty: none.')
output aksCluster string = isAks ? aks!.outputs.name : ''

@description('The cluster\'s name; empty: none.')
output kubernetesCluster string = isAks ? aks!.outputs.name : (isArc ? arc!.outputs.name : '')

@description('The stage\'s namespace there: kubernetes.namespace; its service account acts as the serving identity.')
output kubernetesNamespace string = names.namespace

@description('Where the sandbox answers; empty: it has no image, or there is none.')
output sandboxUrl string = sandbox ? apps!.outputs.url : ''

@description('The online endpoint\'s name: azureml.online.endpoint.')
output onlineEndpoint string = endpoints.outputs.online

@description('The batch endpoint\'s name: azureml.batch.endpoint.')
output batchEndpoint string = endpoints.outputs.batch

@description('The identity of CI: its variable AZURE_CLIENT_ID.')
output ciClientId string = identity.outputs.clients.ci

@description('The identity of jobs on the clusters.')
output jobsClientId string = identity.outputs.clients.jobs

@description('The identity of what serves: the annotation of its service account.')
output servingClientId string = identity.outputs.clients.serving

@description('How the online endpoint lets callers in: azureml.online.auth.')
output onlineAuth string = endpoints.outputs.auth

// Text, also where it is a number: empty where there is none, which fill then leaves as it is.
@description('The VM size of the CPU cluster: azureml.clusters.cpu-cluster.size.')
output cpuSize string = cpuSize

@description('The most nodes of the CPU cluster: azureml.clusters.cpu-cluster.max_nodes.')
output cpuMaxNodes string = string(cpuMaxNodes)

@description('The VM size of the GPU cluster: azureml.clusters.gpu-cluster.size; empty: there is none.')
output gpuSize string = gpuMaxNodes > 0 ? gpuSize : ''

@description('The most nodes of the GPU cluster: azureml.clusters.gpu-cluster.max_nodes; empty: there is none.')
output gpuMaxNodes string = gpuMaxNodes > 0 ? string(gpuMaxNodes) : ''

@description('Whether Azure may take GPU nodes away: azureml.clusters.gpu-cluster.low_priority; empty: there are none.')
output gpuLowPriority string = gpuMaxNodes > 0 ? (gpuLowPriority ? 'true' : 'false') : ''

@description('The repository that the stage\'s cluster follows: flux.repository; empty: none.')
output gitopsRepository string = kubernetes == 'none' ? '' : gitopsRepository

@description('The stage\'s folder there: flux.path; empty: none.')
output gitopsPath string = kubernetes == 'none' || empty(gitopsRepository) ? '' : 'clusters/${stage}'

@description('The object id of the identity operations, for stages in other subscriptions.')
output operationsPrincipal string = operations

@description('The object id of the identity plan, for stages in other subscriptions.')
output planPrincipal string = planner
