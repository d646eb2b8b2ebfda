output "online" {
  description = "The online endpoint's name."
  value       = azapi_resource.one["online"].name
}

output "auth" {
  description = "How the online endpoint lets callers in, as stage files say it."
  value       = "aad_token"
}

output "batch" {
  description = "The batch endpoint's name."
  value       = azapi_resource.one["batch"].name
}
