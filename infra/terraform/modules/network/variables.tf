variable "name" {
  description = "The network's name."
  type        = string
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

variable "address_space" {
  description = "The network's addresses: 16 bits."
  type        = string
}

variable "ci_system" {
  description = "Whose agents join the network: github or azure-devops."
  type        = string
}
