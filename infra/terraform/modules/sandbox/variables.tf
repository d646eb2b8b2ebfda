variable "name" {
  description = "The app's name."
  type        = string
}

variable "environment" {
  description = "The name of the environment that it runs in."
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

variable "apps_subnet" {
  description = "The subnet's id of the environment where the stage is private; else it has a network of its own."
  type        = string
  default     = null
}

variable "identity" {
  description = "The resource id of the identity that pulls the image."
  type        = string
}

variable "registry" {
  description = "The host of the registry that the image lies in."
  type        = string
}

variable "image" {
  description = "An image of runtime and model together, by digest; empty: the environment waits for one."
  type        = string
  default     = ""

  validation {
    condition     = var.image == "" || can(regex("^[^/@ ]+/[^@ ]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: write REGISTRY/NAME@sha256:DIGEST; a tag can be moved to another image."
  }
}

variable "callers" {
  description = "Networks that may ask the app from outside, as 203.0.113.0/24; none: only what shares its network."
  type        = list(string)
  default     = []
}
