name     = "visionline"
suffix   = "vl1" # change it: names are unique in all of Azure
location = "westeurope"
tags     = { owner = "team" }
