variable "scopes" {
  description = "Resource ids of what is locked."
  type        = map(string)
}
