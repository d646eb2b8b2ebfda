// What Azure keeps running on the cluster: Flux, which follows the GitOps repository, and Azure ML's own; and when it
// may upgrade all of it.

@description('The cluster\'s name.')
param name string

@description('Whether Azure ML\'s router survives the loss of a node.')
param production bool

@description('Whether the cluster has nodes with GPUs.')
param gpus bool

@description('The name of the Azure ML workspace that the cluster is attached to.')
param workspace string

@description('Whether Azure ML\'s is installed; the Secret that it names has to be there before.')
param machineLearning bool

@description('The host that the certificate of Azure ML\'s router is for; it lies in the Secret azureml/azureml-tls.')
param inferenceHost string

@description('The address of the repository that Flux follows; empty: no Flux.')
param gitopsRepository string

@description('The stage, whose folder clusters/STAGE of the repository is followed.')
param stage string

resource cluster 'Microsoft.ContainerService/managedClusters@2026-04-01' existing = {
  name: name
}

// Upgrades drain nodes: at an hour that is known.
var sundays = {
  maintenanceWindow: {
    schedule: { weekly: { intervalWeeks: 1, dayOfWeek: 'Sunday' } }
    startTime: '02:00'
    durationHours: 4
    utcOffset: '+00:00'
  }
}

resource upgrades 'Microsoft.ContainerService/managedClusters/maintenanceConfigurations@2026-04-01' = {
  parent: cluster
  name: 'aksManagedAutoUpgradeSchedule'
  properties: sundays
}

resource nodeUpgrades 'Microsoft.ContainerService/managedClusters/maintenanceConfigurations@2026-04-01' = {
  parent: cluster
  name: 'aksManagedNodeOSUpgradeSchedule'
  properties: sundays
}

// Releases write digests by themselves; nothing here looks for newer images.
// One team has the cluster, and charts of platform/ stand in namespaces of their own: so no tenancy.
resource flux 'Microsoft.KubernetesConfiguration/extensions@2023-05-01' = if (!empty(gitopsRepository)) {
  name: 'flux'
  scope: cluster
  properties: {
    extensionType: 'microsoft.flux'
    autoUpgradeMinorVersion: true
    scope: {
      cluster: { releaseNamespace: 'flux-system' }
    }
    configurationSettings: {
      'image-automation-controller.enabled': 'false'
      'image-reflector-controller.enabled': 'false'
      'multiTenancy.enforce': 'false'
    }
  }
}

// As infra/flux/base has it, by Azure: the platform's folder first, then the stage's. The Secret `gitops` is made on
// the cluster: a key that can only read never comes into a deployment.
resource gitops 'Microsoft.KubernetesConfiguration/fluxConfigurations@2023-05-01' = if (!empty(gitopsRepository)) {
  name: 'visionline'
  scope: cluster
  properties: {
    namespace: 'flux-system'
    scope: 'cluster'
    sourceKind: 'GitRepository'
    gitRepository: {
      url: gitopsRepository
      repositoryRef: { branch: 'main' }
      localAuthRef: 'gitops'
      syncIntervalInSeconds: 60
      timeoutInSeconds: 60
    }
    kustomizations: {
      platform: {
        path: './platform'
        prune: false
        wait: true
        syncIntervalInSeconds: 3600
        retryIntervalInSeconds: 120
        timeoutInSeconds: 600
      }
      '${stage}': {
        path: './clusters/${stage}'
        dependsOn: ['platform']
        prune: true
        wait: true
        syncIntervalInSeconds: 600
        retryIntervalInSeconds: 60
        timeoutInSeconds: 300
      }
    }
  }
  dependsOn: [flux]
}

// learn.microsoft.com/azure/machine-learning/how-to-deploy-kubernetes-extension
resource azureml 'Microsoft.KubernetesConfiguration/extensions@2023-05-01' = if (machineLearning) {
  name: 'azureml'
  scope: cluster
  properties: {
    extensionType: 'Microsoft.AzureML.Kubernetes'
    autoUpgradeMinorVersion: true
    configurationSettings: {
      enableTraining: 'True'
      enableInference: 'True'
      inferenceRouterServiceType: 'LoadBalancer'
      internalLoadBalancerProvider: 'azure'
      inferenceRouterHA: production ? 'True' : 'False'
      allowInsecureConnections: 'False'
      sslSecret: 'azureml-tls'
      sslCname: inferenceHost
      installNvidiaDevicePlugin: gpus ? 'True' : 'False'
    }
  }
}

resource workspaceOfStage 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspace
}

// Azure ML reaches a cluster whose local accounts are off, or that is private, by this alone, and only where it is there
// before the cluster is attached: github.com/Azure/AML-Kubernetes, "AKS trusted access".
resource trusted 'Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings@2026-04-01' = if (machineLearning) {
  parent: cluster
  name: 'azureml'
  properties: {
    roles: ['Microsoft.MachineLearningServices/workspaces/mlworkload']
    sourceResourceId: workspaceOfStage.id
  }
}

@description('The extensions that are installed.')
output installed array = concat(machineLearning ? ['azureml'] : [], empty(gitopsRepository) ? [] : ['flux'])
