variable "name" {
  description = "The project's name, part of every resource's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,11}$", var.name))
    error_message = "name: use 3 to 12 lower-case letters and digits, a letter first."
  }
}

variable "suffix" {
  description = "Makes names unique that all of Azure shares; the same as in the stages."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,5}$", var.suffix))
    error_message = "suffix: use 3 to 5 lower-case letters and digits."
  }
}

variable "location" {
  description = "Azure's region of all resources, as westeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location: write the region as Azure's tools do, as westeurope."
  }
}

variable "private" {
  description = "Whether registries, metrics and dashboards are reached through the stages' private endpoints only."
  type        = bool
}

variable "alert_contacts" {
  description = "Who is told of alerts and of the budget: e-mail addresses."
  type        = list(string)

  validation {
    condition     = length(var.alert_contacts) > 0 && alltrue([for one in var.alert_contacts : strcontains(one, "@")])
    error_message = "alert_contacts: name at least one e-mail address."
  }
}

variable "dashboard_viewers" {
  description = "Who may look at dashboards: object ids of Entra groups."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.dashboard_viewers : can(regex("^[0-9a-f-]{36}$", one))])
    error_message = "dashboard_viewers: write object ids, as 00000000-0000-0000-0000-000000000000."
  }
}

variable "budget_amount" {
  description = "What all of it may cost a month, in the subscription's currency; alerts are sent, nothing is stopped."
  type        = number

  validation {
    condition     = var.budget_amount > 0
    error_message = "budget_amount: use a positive number."
  }
}

variable "budget_start" {
  description = "The first day of the month of the first deployment, as 2026-01-01; never change it after."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{4}-(0[1-9]|1[0-2])-01$", var.budget_start))
    error_message = "budget_start: write the first day of a month, as 2026-01-01."
  }
}

variable "lock" {
  description = "Whether what holds data can't be deleted until somebody takes the lock away."
  type        = bool
}

variable "tags" {
  description = "Tags of every resource; project and stage are added."
  type        = map(string)

  validation {
    condition     = contains(keys(var.tags), "owner")
    error_message = "tags: say at least whose it is: owner."
  }
}
