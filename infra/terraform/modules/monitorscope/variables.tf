variable "name" {
  description = "The scope's name."
  type        = string
}

variable "resources" {
  description = "Resource ids of logs, Application Insights and data collection endpoints, by what they are."
  type        = map(string)
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
