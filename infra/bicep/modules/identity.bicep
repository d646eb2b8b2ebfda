// Who acts: CI in pipelines, infra where they apply this folder, jobs on clusters, serving in endpoints and pods. For
// all stages, made once: operations, which looks at what runs, and plan, which asks what would change. No secrets.
// Without an issuer and a subject nobody is trusted here, and a credential that is there already stays as it is.

@description('Names of resources: ci, infra, jobs, serving, operations, plan.')
param names object

@description('Azure\'s region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Who vouches for CI\'s tokens; empty: nobody is trusted yet.')
param issuer string

@description('Whom the issuer names in them, by identity: ci, infra, operations, plan; empty: nobody is trusted yet.')
param subjects object

@description('Whether the identities for all stages are made here: operations and plan.')
param makesShared bool

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

resource infra 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: names.infra
  location: location
  tags: tags
}

resource operations 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (makesShared) {
  name: names.operations
  location: location
  tags: tags
}

resource plan 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (makesShared) {
  name: names.plan
  location: location
  tags: tags
}

resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (!empty(issuer) && !empty(subjects.ci)) {
  parent: ci
  name: 'ci'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: issuer
    subject: subjects.ci
  }
}

resource infraFederation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (!empty(issuer) && !empty(subjects.infra)) {
  parent: infra
  name: 'ci'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: issuer
    subject: subjects.infra
  }
}

resource operationsFederation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (makesShared && !empty(issuer) && !empty(subjects.operations)) {
  parent: operations
  name: 'ci'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: issuer
    subject: subjects.operations
  }
}

resource planFederation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (makesShared && !empty(issuer) && !empty(subjects.plan)) {
  parent: plan
  name: 'ci'
  properties: {
    audiences: ['api://AzureADTokenExchange']
    issuer: issuer
    subject: subjects.plan
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

@description('The principal id of operations; empty: another stage makes it.')
output operations string = makesShared ? operations!.properties.principalId : ''

@description('The principal id of plan; empty: another stage makes it.')
output plan string = makesShared ? plan!.properties.principalId : ''

@description('Client ids by identity: what tokens are asked for.')
output clients object = {
  ci: ci.properties.clientId
  jobs: jobs.properties.clientId
  serving: serving.properties.clientId
}
