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

variable "cluster" {
  description = "The cluster's resource id; Azure ML's extension is installed there."
  type        = string
}

variable "identity" {
  description = "The resource id of the identity that what runs there acts as."
  type        = string
}
