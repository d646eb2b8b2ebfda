variable "name" {
  description = "The vault's name."
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

variable "tenant" {
  description = "The tenant's id."
  type        = string
}

variable "production" {
  description = "Whether nobody can delete it for good before 90 days."
  type        = bool
}
