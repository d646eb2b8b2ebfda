variable "project" {
  description = "The project's name, by which mail is recognized; at most 12 characters."
  type        = string
}

variable "names" {
  description = "Names of resources: logs, metrics, dashboards."
  type        = map(string)
}

variable "resource_group" {
  description = "The resource group's name."
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

variable "contacts" {
  description = "Who is told of alerts: e-mail addresses."
  type        = list(string)
}

variable "viewers" {
  description = "Who may look at dashboards: object ids of Entra groups."
  type        = list(string)
}

variable "private" {
  description = "Whether metrics and dashboards are reached through private endpoints only."
  type        = bool
}
