name                  = "visionline"
stage                 = "production"
suffix                = "vl1" # change it: names are unique in all of Azure
location              = "westeurope"
private               = true
gpu_max_nodes         = 0
git_repository        = "owner/repository"
budget_amount         = 1000
budget_contacts       = ["team@example.com"]
budget_start          = "2026-01-01"
lock                  = true
shared_resource_group = "rg-visionline-shared"
shared_private        = false # as private of shared.tfvars
tags                  = { owner = "team" }
