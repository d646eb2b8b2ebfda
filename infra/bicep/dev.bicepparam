using 'stage.bicep'

param name = 'visionline'
param stage = 'dev'
param suffix = 'vl1' // change it: names are unique in all of Azure
param location = 'westeurope'
param private = false
param gpuMaxNodes = 2
param gitRepository = 'owner/repository'
param budgetAmount = 300
param budgetContacts = ['team@example.com']
param budgetStart = '2026-01-01'
param lock = false
param sharedResourceGroup = 'rg-visionline-shared'
param tags = { owner: 'team' }
