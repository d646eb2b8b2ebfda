# What a parameter file may say: each mistake is refused before anything is planned, in words.
mock_provider "azurerm" {}
mock_provider "azapi" {}

variables {
  name            = "vision"
  stage           = "dev"
  suffix          = "x1y"
  location        = "westeurope"
  private         = false
  git_repository  = "owner/repository"
  budget_amount   = 100
  budget_contacts = ["team@example.com"]
  budget_start    = "2026-01-01"
  lock            = false
  tags            = { owner = "team" }
}

run "a_sound_file_is_planned" {
  command = plan

  assert {
    condition     = output.resource_group == "rg-vision-dev" && output.workspace == "mlw-vision-dev"
    error_message = "names: ${output.resource_group}, ${output.workspace}"
  }
  assert {
    condition     = output.registry == ""
    error_message = "A stage that shares nothing names no shared registry."
  }
}

run "a_shared_group_names_the_shared_registries" {
  command = plan

  variables {
    shared_resource_group = "rg-vision-shared"
  }

  assert {
    condition     = output.registry == "mlr-vision" && output.image_registry == "crvisionsharedx1y.azurecr.io"
    error_message = "registries: ${output.registry}, ${output.image_registry}"
  }
}

run "every_parameter_is_checked" {
  command = plan

  variables {
    name              = "Vision-1"
    stage             = "staging"
    suffix            = "toolong"
    location          = "West Europe"
    address_space     = "10.40.0.0/24"
    cpu_max_nodes     = 0
    gpu_max_nodes     = -1
    kubernetes        = "eks"
    ci_system         = "jenkins"
    git_repository    = "repository"
    gitops_repository = "git@host:repository"
    budget_amount     = 0
    budget_contacts   = []
    budget_start      = "2026-01-02"
    tags              = {}
  }

  expect_failures = [
    var.name, var.stage, var.suffix, var.location, var.address_space, var.cpu_max_nodes, var.gpu_max_nodes,
    var.kubernetes, var.ci_system, var.git_repository, var.gitops_repository, var.budget_amount, var.budget_contacts,
    var.budget_start, var.tags,
  ]
}

run "an_arc_stage_names_its_cluster" {
  command = plan

  variables {
    kubernetes = "arc"
  }

  expect_failures = [var.arc_cluster]
}

run "a_cluster_without_arc_is_a_mistake" {
  command = plan

  variables {
    arc_cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Kubernetes/connectedClusters/edge"
  }

  expect_failures = [var.arc_cluster]
}

run "an_issuer_is_an_address" {
  command = plan

  variables {
    ci_system      = "azure-devops"
    git_repository = "organization/project"
    issuer         = "login.microsoftonline.com"
  }

  expect_failures = [var.issuer]
}

run "what_a_pull_request_made_says_how_long_it_stays" {
  command = plan

  variables {
    ttl = "2026-01-31"
  }

  assert {
    condition = (
      azurerm_resource_group.stage.tags["ttl"] == "2026-01-31" && azurerm_resource_group.stage.tags["stage"] == "dev"
    )
    error_message = "tags: ${jsonencode(azurerm_resource_group.stage.tags)}"
  }
}

run "production_is_never_left_to_a_cleaner" {
  command = plan

  variables {
    stage = "production"
    ttl   = "2026-01-31"
  }

  expect_failures = [var.ttl]
}

run "what_is_shared_in_private_needs_a_private_stage" {
  command = plan

  variables {
    shared_resource_group = "rg-vision-shared"
    shared_private        = true
  }

  expect_failures = [var.shared_private]
}

run "a_private_stage_reaches_what_is_shared" {
  command = plan

  variables {
    private               = true
    shared_resource_group = "rg-vision-shared"
    shared_private        = true
  }

  assert {
    condition     = keys(module.shared_endpoints) == ["amlregistry", "grafana", "prometheusMetrics", "registry"]
    error_message = "The shared registries have no address inside the stage's network."
  }
}
