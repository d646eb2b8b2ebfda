variable "name" {
  description = "The workspace's name."
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

variable "resource_group_id" {
  description = "The resource id of the resource group."
  type        = string
}

variable "storage" {
  description = "The resource id of its storage account."
  type        = string
}

variable "key_vault" {
  description = "The resource id of its key vault."
  type        = string
}

variable "images" {
  description = "The resource id of its container registry."
  type        = string
}

variable "insights" {
  description = "The resource id of its Application Insights."
  type        = string
}

variable "shared_registry" {
  description = "The resource id of the Azure ML registry that stages share; empty: none."
  type        = string
}
