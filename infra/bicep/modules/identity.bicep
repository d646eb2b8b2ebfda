// Who acts: CI in pipelines, jobs on clusters, serving in endpoints and pods; operations reads every stage and is made
// once. None of them has a secret.

@description('Names of resources: ci, jobs, serving, operations.')
param names object

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Who vouches for CI\'s tokens.')
param issuer string

@description('Whom the issuer names in them.')
param subject string

@description('Whether the identity that reads every stage is made here.')
param makesOperations bool

@description('Whom the issuer names in that identity\'s tokens; empty: nobody yet.')
param operationsSubject string

resource ci 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: names.ci
  location: location
  tags: tags
}

resource jobs 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: names.jobs
  location: location
  tags: tags
}

resource serving 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: names.serving
  location: location
  tags: tags
}

resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: ci
  name: 'ci'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: issuer
    subject: subject
  }
}

var isTrusted = makesOperations && !empty(operationsSubject)

resource operations 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (makesOperations) {
  name: names.operations
  location: location
  tags: tags
}

resource trust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (isTrusted) {
  parent: operations
  name: 'ci'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: issuer
    subject: operationsSubject
  }
}

@description('Resource ids by identity.')
output ids object = {
  ci: ci.id
  jobs: jobs.id
  serving: serving.id
}

@description('Principal ids by identity: what roles are given to.')
output principals object = {
  ci: ci.properties.principalId
  jobs: jobs.properties.principalId
  serving: serving.properties.principalId
}

@description('The principal id of the identity that reads every stage; empty: another stage makes it.')
output operations string = makesOperations ? operations!.properties.principalId : ''

@description('Client ids by identity: what tokens are asked for.')
output clients object = {
  ci: ci.properties.clientId
  jobs: jobs.properties.clientId
  serving: serving.properties.clientId
}
