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

variable "production" {
  description = "Whether it survives the loss of a datacenter, and keeps deleted blobs for 30 days."
  type        = bool
}
