variable "cluster" {
  description = "The resource id of a cluster that already is Arc-enabled."
  type        = string
}

variable "stage" {
  description = "The stage, whose folder clusters/STAGE of the repository is followed."
  type        = string
}

variable "gitops_repository" {
  description = "The address of the repository that Flux follows; empty: no Flux."
  type        = string
  default     = ""
}

variable "machine_learning" {
  description = "Whether Azure ML's extension is installed: for target azureml-online on this cluster; it needs 4 cores."
  type        = bool
  default     = false
}

variable "inference_host" {
  description = "The host that the certificate of Azure ML's router is for; it lies in the Secret azureml/azureml-tls."
  type        = string
  default     = "azureml.visionline.internal"
}
