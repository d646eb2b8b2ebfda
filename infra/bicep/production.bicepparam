using 'stage.bicep'

param name = 'visionline'
param stage = 'production'
param suffix = 'vl1' // change it: names are unique in all of Azure
param location = 'westeurope'
param private = true
param gpuMaxNodes = 0
param gitRepository = 'owner/repository'
param budgetAmount = 1000
param budgetContacts = ['team@example.com']
param budgetStart = '2026-01-01'
param lock = true
param sharedResourceGroup = 'rg-visionline-shared'
param sharedPrivate = false // as private of shared.bicepparam
param tags = { owner: 'team' }
