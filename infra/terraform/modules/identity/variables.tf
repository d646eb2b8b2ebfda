variable "names" {
  description = "Names of resources: ci, infra, jobs, serving, operations, plan."
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
  description = "Who vouches for CI's tokens; empty: nobody is trusted yet."
  type        = string
}

variable "subjects" {
  description = "Whom the issuer names in them, by identity: ci, infra, operations, plan; empty: nobody is trusted yet."
  type        = map(string)
}

variable "makes_shared" {
  description = "Whether the identities for all stages are made here: operations and plan."
  type        = bool
}
