variable "name" {
  description = "The name of the service's resource."
  type        = string
}

variable "part" {
  description = "Which part of the service, as blob or vault."
  type        = string
}

variable "target" {
  description = "The resource id of the service."
  type        = string
}

variable "zones" {
  description = "Keys of the private DNS zones that it is named in."
  type        = list(string)
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
