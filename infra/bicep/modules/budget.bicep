// Alerts by mail when the stage's costs reach a share of the budget, or are forecast to pass it.

@description('The budget\'s name.')
param name string

@description('What may be spent a month, in the subscription\'s currency.')
param amount int

@description('Who gets the alerts: e-mail addresses.')
param contacts array

@description('The first day of the month in which it starts, as 2026-01-01.')
param start string

var alerts = [
  { name: 'half', threshold: 50, type: 'Actual' }
  { name: 'most', threshold: 80, type: 'Actual' }
  { name: 'all', threshold: 100, type: 'Actual' }
  { name: 'forecast', threshold: 100, type: 'Forecasted' }
]

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: '${start}T00:00:00Z' }
    notifications: toObject(alerts, alert => alert.name, alert => {
      enabled: true
      operator: 'GreaterThanOrEqualTo'
      threshold: alert.threshold
      thresholdType: alert.type
      contactEmails: contacts
    })
  }
}

@description('The budget\'s resource id.')
output id string = budget.id
