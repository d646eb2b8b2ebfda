# What Azure keeps running on a cluster of one's own, at a site; the cluster itself is not ours to make or to change.
resource "azurerm_arc_kubernetes_cluster_extension" "flux" {
  count = var.gitops_repository == "" ? 0 : 1

  name              = "flux"
  cluster_id        = var.cluster
  extension_type    = "microsoft.flux"
  release_namespace = "flux-system"

  identity {
    type = "SystemAssigned"
  }

  # Releases write digests by themselves; nothing here looks for newer images.
  # One team has the cluster, and charts of platform/ stand in namespaces of their own: so no tenancy.
  configuration_settings = {
    "image-automation-controller.enabled" = "false"
    "image-reflector-controller.enabled"  = "false"
    "multiTenancy.enforce"                = "false"
  }
}

# As infra/flux/base has it, by Azure: the platform's folder first, then the stage's.
resource "azurerm_arc_kubernetes_flux_configuration" "one" {
  count = var.gitops_repository == "" ? 0 : 1

  name       = "visionline"
  cluster_id = var.cluster
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

  # A site's uplink comes and goes: what failed is tried again soon.
  kustomizations {
    name                       = "platform"
    path                       = "./platform"
    garbage_collection_enabled = false
    sync_interval_in_seconds   = 3600
    retry_interval_in_seconds  = 120
    timeout_in_seconds         = 600
  }

  kustomizations {
    name                       = var.stage
    path                       = "./clusters/${var.stage}"
    depends_on                 = ["platform"]
    garbage_collection_enabled = true
    sync_interval_in_seconds   = 600
    retry_interval_in_seconds  = 60
    timeout_in_seconds         = 300
  }

  depends_on = [azurerm_arc_kubernetes_cluster_extension.flux]
}

resource "azurerm_arc_kubernetes_cluster_extension" "azureml" {
  count = var.machine_learning ? 1 : 0

  name           = "azureml"
  cluster_id     = var.cluster
  extension_type = "Microsoft.AzureML.Kubernetes"

  identity {
    type = "SystemAssigned"
  }

  # learn.microsoft.com/azure/machine-learning/how-to-deploy-kubernetes-extension
  configuration_settings = {
    enableTraining             = "False"
    enableInference            = "True"
    inferenceRouterServiceType = "NodePort"
    inferenceRouterHA          = "False"
    allowInsecureConnections   = "False"
    sslSecret                  = "azureml-tls"
    sslCname                   = var.inference_host
  }
}
