variable "name" {
  description = "The budget's name."
  type        = string
}

variable "resource_group" {
  description = "The resource id of the resource group that it watches."
  type        = string
}

variable "amount" {
  description = "What may be spent a month, in the subscription's currency."
  type        = number
}

variable "contacts" {
  description = "Who gets the alerts: e-mail addresses."
  type        = list(string)
}

variable "start" {
  description = "The first day of the month in which it starts, as 2026-01-01."
  type        = string
}
