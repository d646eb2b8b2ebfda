variable "names" {
  description = "Names of resources: online_endpoint, batch_endpoint."
  type        = map(string)
}

variable "workspace" {
  description = "The workspace's resource id."
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

variable "private" {
  description = "Whether the online endpoint answers in the private network only."
  type        = bool
}

variable "identity" {
  description = "The resource id of the identity that endpoints act as."
  type        = string
}
