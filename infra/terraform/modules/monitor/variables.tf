variable "names" {
  description = "Names of resources: logs, insights."
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

variable "production" {
  description = "Whether logs are kept for 90 days rather than 30."
  type        = bool
}

variable "private" {
  description = "Whether logs are sent and asked from the private network only."
  type        = bool
}
