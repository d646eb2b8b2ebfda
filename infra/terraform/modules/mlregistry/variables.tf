variable "name" {
  description = "The registry's name."
  type        = string
}

variable "resource_group_id" {
  description = "The resource group's id."
  type        = string
}

variable "location" {
  description = "Azure's region; the workspaces of all stages should be in it."
  type        = string
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
}

variable "private" {
  description = "Whether it is reached through the stages' private endpoints only."
  type        = bool
}

variable "logs" {
  description = "The resource id of the Log Analytics workspace."
  type        = string
}
