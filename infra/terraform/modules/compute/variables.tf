variable "workspace" {
  description = "The workspace's resource id."
  type        = string
}

variable "location" {
  description = "Azure's region."
  type        = string
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
}

variable "private" {
  description = "Whether nodes have no public address."
  type        = bool
}

variable "identity" {
  description = "The resource id of the identity that jobs act as."
  type        = string
}

variable "cpu_size" {
  description = "The VM size of CPU nodes."
  type        = string
}

variable "cpu_max_nodes" {
  description = "The most CPU nodes."
  type        = number
}

variable "gpu_size" {
  description = "The VM size of GPU nodes."
  type        = string
}

variable "gpu_max_nodes" {
  description = "The most GPU nodes; 0: no GPU cluster."
  type        = number
}

variable "gpu_low_priority" {
  description = "Whether GPU nodes are those that Azure may take away."
  type        = bool
}
