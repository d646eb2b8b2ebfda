# Who may do what: identities without secrets, the roles of infra/roles.yaml and no others.
mock_provider "azurerm" {}

variables {
  names = {
    ci         = "id-vision-dev-ci"
    infra      = "id-vision-dev-infra"
    jobs       = "id-vision-dev-jobs"
    serving    = "id-vision-dev-serving"
    operations = "id-vision-operations"
    plan       = "id-vision-plan"
  }
  resource_group = "rg-vision-dev"
  location       = "westeurope"
  tags           = { owner = "team" }
  issuer         = "https://token.actions.githubusercontent.com"
  makes_shared   = true

  subjects = {
    ci         = "repo:owner/repository:environment:dev"
    infra      = "repo:owner/repository:environment:infra-dev"
    operations = "repo:owner/repository:environment:operations"
    plan       = "repo:owner/repository:environment:plan"
  }

  name    = "mlw-vision-dev"
  private = true
  principals = {
    ci         = "1"
    jobs       = "2"
    serving    = "3"
    workspace  = "4"
    nodes      = "5"
    operations = "6"
    plan       = "7"
    scoring    = "6"
  }
  scopes = {
    subscription    = "/subscription"
    shared_group    = "/shared"
    resource_group  = "/group"
    workspace       = "/workspace"
    storage         = "/storage"
    key_vault       = "/vault"
    images          = "/images"
    serving         = "/serving"
    captures        = "/captures"
    kubernetes      = "/aks"
    shared_registry = "/versions"
    shared_images   = "/promoted"
  }
}

run "ci_is_who_the_code_host_says" {
  command = plan

  module {
    source = "../modules/identity"
  }

  assert {
    condition = keys(azurerm_federated_identity_credential.one) == ["ci", "infra", "operations", "plan"] && alltrue([
      for who, one in azurerm_federated_identity_credential.one : one.subject == var.subjects[who]
    ])
    error_message = "Another repository or environment could act as one of them."
  }
  assert {
    condition     = keys(azurerm_user_assigned_identity.one) == ["ci", "infra", "jobs", "operations", "plan", "serving"]
    error_message = "Who runs pipelines, jobs and what serves, and who plans and applies, do not each have an identity."
  }
}

run "who_is_for_all_stages_is_made_once" {
  command = plan

  module {
    source = "../modules/identity"
  }

  variables {
    makes_shared = false
  }

  assert {
    condition     = keys(azurerm_user_assigned_identity.one) == ["ci", "infra", "jobs", "serving"]
    error_message = "Another stage than the first makes the identities that are for all."
  }
  assert {
    condition     = keys(azurerm_federated_identity_credential.one) == ["ci", "infra"]
    error_message = "Somebody is trusted as an identity that is not made here."
  }
}

run "nobody_is_trusted_who_is_not_known_yet" {
  command = plan

  module {
    source = "../modules/identity"
  }

  variables {
    subjects = { ci = "sc://org/project/visionline-dev", infra = "", operations = "", plan = "" }
  }

  assert {
    condition     = keys(azurerm_federated_identity_credential.one) == ["ci"]
    error_message = "An identity trusts an empty subject."
  }
}

run "every_row_of_the_table_is_assigned" {
  command = plan

  module {
    source = "../modules/roles"
  }

  assert {
    condition     = length(azurerm_role_assignment.one) == length(yamldecode(file("../../roles.yaml")))
    error_message = "Not every row of infra/roles.yaml became an assignment."
  }
  assert {
    condition = alltrue([
      for one in azurerm_role_assignment.one :
      !contains(["Owner", "Contributor", "User Access Administrator"], coalesce(one.role_definition_name, "own"))
    ])
    error_message = "An identity may do everything."
  }
  assert {
    condition = alltrue([
      for one in azurerm_role_definition.one :
      !anytrue([for action in one.permissions[0].actions : strcontains(action, "*") || endswith(action, "/write")])
    ])
    error_message = "A role that is made here may write."
  }
  assert {
    condition     = azurerm_role_definition.one["operations: Asks endpoints on workspace"].scope == "/group"
    error_message = "The role to ask endpoints can be given outside the stage's group."
  }
  assert {
    condition     = azurerm_role_assignment.one["jobs: AzureML Data Scientist on workspace"].principal_id == "2"
    error_message = "The last step of a training can't register its version."
  }
}

run "what_is_not_there_gets_no_role" {
  command = plan

  module {
    source = "../modules/roles"
  }

  variables {
    private    = false
    principals = { ci = "1", jobs = "2", serving = "3", workspace = "4" }
    scopes     = { resource_group = "/group", workspace = "/workspace" }
  }

  assert {
    condition = length(azurerm_role_assignment.one) > 0 && alltrue([
      for one in azurerm_role_assignment.one : contains(["/group", "/workspace"], one.scope)
    ])
    error_message = "given: ${join(", ", keys(azurerm_role_assignment.one))}"
  }
  assert {
    condition     = !anytrue([for one in azurerm_role_assignment.one : one.principal_id == "4"])
    error_message = "The workspace of a public stage may approve private endpoints."
  }
}
