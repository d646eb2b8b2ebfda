variable "names" {
  description = "Names of resources: ci, jobs, serving, operations."
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

variable "issuer" {
  description = "Who vouches for CI's tokens."
  type        = string
}

variable "subject" {
  description = "Whom the issuer names in them."
  type        = string
}

variable "makes_operations" {
  description = "Whether the identity that reads every stage is made here."
  type        = bool
}

variable "operations_subject" {
  description = "Whom the issuer names in that identity's tokens; empty: nobody yet."
  type        = string
}
