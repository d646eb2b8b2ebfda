variable "name" {
  description = "The workspace's name: roles that Azure does not have are told apart by it."
  type        = string
}

variable "private" {
  description = "Whether the stage is private: some roles are needed there only."
  type        = bool
}

variable "principals" {
  description = "Principal ids by identity, as infra/roles.yaml names them."
  type        = map(string)
}

variable "scopes" {
  description = "Resource ids by scope, as infra/roles.yaml names them; one that is missing gets no role."
  type        = map(string)
}

variable "given_elsewhere" {
  description = "Identities whose roles on what stages share another stage has given: Azure takes each once."
  type        = list(string)
  default     = []
}
