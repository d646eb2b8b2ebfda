variable "name" {
  description = "The project's name, as in the stages."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,11}$", var.name))
    error_message = "name: use 3 to 12 lower-case letters and digits, a letter first."
  }
}

variable "suffix" {
  description = "Makes the account's name unique in Azure, as in the stages."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,5}$", var.suffix))
    error_message = "suffix: use 3 to 5 lower-case letters and digits."
  }
}

variable "location" {
  description = "Azure's region, as westeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location: write the region as Azure's tools do, as westeurope."
  }
}

variable "writers" {
  description = "Object ids of who else applies stages: people, groups, the identities infra of the stages."
  type        = list(string)
  default     = []
}

variable "readers" {
  description = "Object ids of who only plans: the identity plan (output plan_principal of dev). They read its secrets, too."
  type        = list(string)
  default     = []
}

variable "networks" {
  description = "Public addresses that may reach the state, as 203.0.113.0/24; none: any, with Entra ID."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)

  validation {
    condition     = contains(keys(var.tags), "owner")
    error_message = "tags: say at least whose it is: owner."
  }
}
