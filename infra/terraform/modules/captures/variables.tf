variable "name" {
  description = "The account's name."
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

variable "cool_days" {
  description = "After how many days a frame that nobody changed is kept at a lower price."
  type        = number
  default     = 30
}

variable "keep_days" {
  description = "After how many days a frame is deleted, labelled or not: pictures of people are not kept for ever."
  type        = number
  default     = 90

  validation {
    condition     = var.keep_days > var.cool_days
    error_message = "keep_days: use more days than cool_days."
  }
}
