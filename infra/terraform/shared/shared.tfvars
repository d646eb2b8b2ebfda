name           = "visionline"
suffix         = "vl1" # change it: names are unique in all of Azure
location       = "westeurope"
private        = false # true where every stage is private
alert_contacts = ["team@example.com"]
budget_amount  = 200
budget_start   = "2026-01-01"
lock           = true
tags           = { owner = "team" }
