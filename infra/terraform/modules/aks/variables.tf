variable "name" {
  description = "The cluster's name."
  type        = string
}

variable "place" {
  description = "Where it is, who may reach it, and where its logs go."
  type = object({
    resource_group = string
    location       = string
    tags           = map(string)
    private        = bool
    subnet         = optional(string)
    zones          = map(string)
    logs           = string
  })
}

variable "production" {
  description = "Whether the control plane has an agreed uptime, and a node for serving is always there."
  type        = bool
}

variable "tenant" {
  description = "The Entra tenant that vouches for people and pipelines."
  type        = string
}

variable "nodes_subnet" {
  description = "The subnet's id of the nodes where the stage is private; else the cluster makes a network of its own."
  type        = string
  default     = null
}

variable "cpu_size" {
  description = "The VM size of nodes, those of the system's pool too."
  type        = string
}

variable "cpu_max_nodes" {
  description = "The most nodes that serve on CPUs."
  type        = number
}

variable "gpu_size" {
  description = "The VM size of nodes with GPUs."
  type        = string
}

variable "gpu_max_nodes" {
  description = "The most nodes with GPUs; 0: no such pool. They never are low-priority ones: these serve."
  type        = number
}

variable "kubernetes_version" {
  description = "Minor version; infra/kubernetes mounts images, which needs 1.35."
  type        = string
  default     = "1.35"
}

variable "serving" {
  description = "The resource id of the identity that pods of the stage's service account act as."
  type        = string
}

variable "namespace" {
  description = "The stage's namespace on the cluster: kubernetes.namespace of the stage file, or model and stage."
  type        = string
}

variable "workspace" {
  description = "The resource id of the Azure ML workspace that the cluster is attached to."
  type        = string
}

variable "machine_learning" {
  description = "Whether Azure ML's extension is installed; the Secret that it names has to be there before."
  type        = bool
  default     = false
}

variable "inference_host" {
  description = "The host that the certificate of Azure ML's router is for; it lies in the Secret azureml/azureml-tls."
  type        = string
  default     = "azureml.visionline.internal"
}

variable "gitops_repository" {
  description = "The address of the repository that Flux follows; empty: no Flux."
  type        = string
  default     = ""
}

variable "stage" {
  description = "The stage, whose folder clusters/STAGE of the repository is followed."
  type        = string
}

variable "metrics" {
  description = "The resource id of the Azure Monitor workspace that metrics go to; empty: they stay on the cluster."
  type        = string
  default     = ""
}
