output "online" {
  description = "The online endpoint's name."
  value       = azapi_resource.one["online"].name
}

output "batch" {
  description = "The batch endpoint's name."
  value       = azapi_resource.one["batch"].name
}
