name                  = "visionline"
stage                 = "qa"
suffix                = "vl1" # change it: names are unique in all of Azure
location              = "westeurope"
private               = false
gpu_max_nodes         = 0
git_repository        = "owner/repository"
budget_amount         = 300
budget_contacts       = ["team@example.com"]
budget_start          = "2026-01-01"
lock                  = false
shared_resource_group = "rg-visionline-shared"
tags                  = { owner = "team" }
