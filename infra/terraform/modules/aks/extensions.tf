# What Azure keeps running on the cluster: Flux, which follows the GitOps repository, and Azure ML's own.
resource "azurerm_kubernetes_cluster_extension" "flux" {
  count = var.gitops_repository == "" ? 0 : 1

  name              = "flux"
  cluster_id        = azurerm_kubernetes_cluster.one.id
  extension_type    = "microsoft.flux"
  release_namespace = "flux-system"

  # Releases write digests by themselves; nothing here looks for newer images.
  # One team has the cluster, and charts of platform/ stand in namespaces of their own: so no tenancy.
  configuration_settings = {
    "image-automation-controller.enabled" = "false"
    "image-reflector-controller.enabled"  = "false"
    "multiTenancy.enforce"                = "false"
  }

  depends_on = [azurerm_kubernetes_cluster_node_pool.cpu]
}

# As infra/flux/base has it, by Azure: the platform's folder first, then the stage's.
resource "azurerm_kubernetes_flux_configuration" "one" {
  count = var.gitops_repository == "" ? 0 : 1

  name       = "visionline"
  cluster_id = azurerm_kubernetes_cluster.one.id
  namespace  = "flux-system"
  scope      = "cluster"

  # The Secret is made on the cluster: a key that can only read never comes into a state file.
  git_repository {
    url                      = var.gitops_repository
    reference_type           = "branch"
    reference_value          = "main"
    local_auth_reference     = "gitops"
    sync_interval_in_seconds = 60
    timeout_in_seconds       = 60
  }

  kustomizations {
    name                       = "platform"
    path                       = "./platform"
    garbage_collection_enabled = false
    wait                       = true
    sync_interval_in_seconds   = 3600
    retry_interval_in_seconds  = 120
    timeout_in_seconds         = 600
  }

  kustomizations {
    name                       = var.stage
    path                       = "./clusters/${var.stage}"
    depends_on                 = ["platform"]
    garbage_collection_enabled = true
    wait                       = true
    sync_interval_in_seconds   = 600
    retry_interval_in_seconds  = 60
    timeout_in_seconds         = 300
  }

  depends_on = [azurerm_kubernetes_cluster_extension.flux]
}

resource "azurerm_kubernetes_cluster_extension" "azureml" {
  count = var.machine_learning ? 1 : 0

  name           = "azureml"
  cluster_id     = azurerm_kubernetes_cluster.one.id
  extension_type = "Microsoft.AzureML.Kubernetes"

  # learn.microsoft.com/azure/machine-learning/how-to-deploy-kubernetes-extension
  configuration_settings = {
    enableTraining               = "True"
    enableInference              = "True"
    inferenceRouterServiceType   = "LoadBalancer"
    internalLoadBalancerProvider = "azure"
    inferenceRouterHA            = var.production ? "True" : "False"
    allowInsecureConnections     = "False"
    sslSecret                    = "azureml-tls"
    sslCname                     = var.inference_host
    installNvidiaDevicePlugin    = var.gpu_max_nodes > 0 ? "True" : "False"
  }

  depends_on = [azurerm_kubernetes_cluster_node_pool.cpu]
}

# Azure ML reaches a cluster whose local accounts are off, or that is private, by this alone, and only where it is there
# before the cluster is attached: github.com/Azure/AML-Kubernetes, "AKS trusted access".
resource "azurerm_kubernetes_cluster_trusted_access_role_binding" "azureml" {
  count = var.machine_learning ? 1 : 0

  name                  = "azureml"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.one.id
  roles                 = ["Microsoft.MachineLearningServices/workspaces/mlworkload"]
  source_resource_id    = var.workspace
}
