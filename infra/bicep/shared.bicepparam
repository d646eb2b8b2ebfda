using 'shared.bicep'

param name = 'visionline'
param suffix = 'vl1' // change it: names are unique in all of Azure
param location = 'westeurope'
param private = false // true where every stage is private
param alertContacts = ['team@example.com']
param budgetAmount = 200
param budgetStart = '2026-01-01'
param lock = true
param tags = { owner: 'team' }
