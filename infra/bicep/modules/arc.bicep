// What Azure keeps running on a cluster of one's own, at a site; the cluster itself is not ours to make or to change.

@description('The name of a cluster that already is Arc-enabled, in the resource group that this is deployed to.')
param cluster string

@description('The stage, whose folder clusters/STAGE of the repository is followed.')
param stage string

@description('The address of the repository that Flux follows; empty: no Flux.')
param gitopsRepository string = ''

@description('Whether Azure ML\'s extension is installed: for target azureml-online on this cluster; it needs 4 cores.')
param machineLearning bool = false

@description('The host that the certificate of Azure ML\'s router is for; it lies in the Secret azureml/azureml-tls.')
param inferenceHost string = 'azureml.visionline.internal'

resource site 'Microsoft.Kubernetes/connectedClusters@2024-01-01' existing = {
  name: cluster
}

// Releases write digests by themselves; nothing here looks for newer images.
// One team has the cluster, and charts of platform/ stand in namespaces of their own: so no tenancy.
resource flux 'Microsoft.KubernetesConfiguration/extensions@2023-05-01' = if (!empty(gitopsRepository)) {
  name: 'flux'
  scope: site
  identity: { type: 'SystemAssigned' }
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
// the cluster: a key that can only read never comes into a deployment. A site's uplink comes and goes: what failed is
// tried again soon.
resource gitops 'Microsoft.KubernetesConfiguration/fluxConfigurations@2023-05-01' = if (!empty(gitopsRepository)) {
  name: 'visionline'
  scope: site
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
        syncIntervalInSeconds: 3600
        retryIntervalInSeconds: 120
        timeoutInSeconds: 600
      }
      '${stage}': {
        path: './clusters/${stage}'
        dependsOn: ['platform']
        prune: true
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
  scope: site
  identity: { type: 'SystemAssigned' }
  properties: {
    extensionType: 'Microsoft.AzureML.Kubernetes'
    autoUpgradeMinorVersion: true
    configurationSettings: {
      enableTraining: 'False'
      enableInference: 'True'
      inferenceRouterServiceType: 'NodePort'
      inferenceRouterHA: 'False'
      allowInsecureConnections: 'False'
      sslSecret: 'azureml-tls'
      sslCname: inferenceHost
    }
  }
}

@description('The cluster\'s resource id.')
output id string = site.id

@description('The cluster\'s name.')
output name string = site.name
