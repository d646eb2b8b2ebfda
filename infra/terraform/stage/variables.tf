variable "name" {
  description = "The project's name, part of every resource's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,11}$", var.name))
    error_message = "name: use 3 to 12 lower-case letters and digits, a letter first."
  }
}

variable "stage" {
  description = "The rung of promotion that this deployment is: dev, qa or production."
  type        = string

  validation {
    condition     = contains(["dev", "qa", "production"], var.stage)
    error_message = "stage: use one of dev, qa, production."
  }
}

variable "suffix" {
  description = "Makes names unique that all of Azure shares; the same in every stage."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,5}$", var.suffix))
    error_message = "suffix: use 3 to 5 lower-case letters and digits."
  }
}

variable "location" {
  description = "Azure's region of all resources, as westeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.location))
    error_message = "location: write the region as Azure's tools do, as westeurope."
  }
}

variable "private" {
  description = "Whether everything is reached through a private network only. Can't be taken back for a workspace."
  type        = bool
}

variable "address_space" {
  description = "The private network's addresses; networks that are to be peered must not overlap."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.address_space, 8, 3)) && endswith(var.address_space, "/16")
    error_message = "address_space: write a network of 16 bits, as 10.40.0.0/16."
  }
}

variable "cpu_size" {
  description = "The VM size of the CPU cluster's nodes."
  type        = string
  default     = "Standard_D4s_v5"
}

variable "cpu_max_nodes" {
  description = "The most nodes of the CPU cluster; without a job it has none."
  type        = number
  default     = 4

  validation {
    condition     = var.cpu_max_nodes >= 1 && var.cpu_max_nodes <= 100
    error_message = "cpu_max_nodes: use 1 to 100."
  }
}

variable "gpu_size" {
  description = "The VM size of the GPU cluster's nodes."
  type        = string
  default     = "Standard_NC24ads_A100_v4"
}

variable "gpu_max_nodes" {
  description = "The most nodes of the GPU cluster; 0: no GPU cluster is made."
  type        = number
  default     = 0

  validation {
    condition     = var.gpu_max_nodes >= 0 && var.gpu_max_nodes <= 100
    error_message = "gpu_max_nodes: use 0 to 100."
  }
}

variable "gpu_low_priority" {
  description = "Whether GPU nodes are the cheap ones that Azure may take away."
  type        = bool
  default     = true
}

variable "kubernetes" {
  description = "Where the stage serves on Kubernetes: none, aks (a cluster is made) or arc (arc_cluster is used)."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "aks", "arc"], var.kubernetes)
    error_message = "kubernetes: use one of none, aks, arc."
  }
}

variable "arc_cluster" {
  description = "The resource id of a cluster that is Arc-enabled; needed where kubernetes is arc, else empty."
  type        = string
  default     = ""

  validation {
    condition     = (var.kubernetes == "arc") == can(regex("/connectedClusters/[^/]+$", var.arc_cluster))
    error_message = "arc_cluster: give a connected cluster's resource id where kubernetes is arc, else leave it empty."
  }
}

variable "machine_learning" {
  description = "Whether Azure ML's extension is on the cluster; the Secret azureml/azureml-tls has to be there before."
  type        = bool
  default     = false
}

variable "ci_system" {
  description = "Where pipelines run: github or azure-devops."
  type        = string
  default     = "github"

  validation {
    condition     = contains(["github", "azure-devops"], var.ci_system)
    error_message = "ci_system: use one of github, azure-devops."
  }
}

variable "git_repository" {
  description = "Whose pipelines may act for this stage: owner/repository; Azure DevOps: organization/project."
  type        = string

  validation {
    condition     = can(regex("^[^/ ]+/[^/]+$", var.git_repository))
    error_message = "git_repository: write owner/repository, or organization/project on Azure DevOps."
  }
}

variable "issuer" {
  description = "Who vouches for CI: empty on GitHub; on Azure DevOps empty, or what its service connections say."
  type        = string
  default     = ""

  validation {
    condition     = var.issuer == "" || startswith(var.issuer, "https://")
    error_message = "issuer: copy it from the service connection (https://...), or leave it empty."
  }
}

variable "subject" {
  description = "Whom the issuer names: empty on GitHub; on Azure DevOps empty, or the subject of visionline-STAGE."
  type        = string
  default     = ""
}

variable "infra_subject" {
  description = "Whom the issuer names for who applies this: empty on GitHub, else the subject of visionline-infra-STAGE."
  type        = string
  default     = ""
}

variable "operations_subject" {
  description = "Whom the issuer names for the environment operations: empty on GitHub, else its connection's subject."
  type        = string
  default     = ""
}

variable "plan_subject" {
  description = "Whom the issuer names for the environment plan: empty on GitHub, else its connection's subject."
  type        = string
  default     = ""
}

variable "operations_principal" {
  description = "The object id of the identity operations (dev's output), where dev has its own subscription."
  type        = string
  default     = ""

  validation {
    condition     = var.operations_principal == "" || can(regex("^[0-9a-f-]{36}$", var.operations_principal))
    error_message = "operations_principal: write an object id, as 00000000-0000-0000-0000-000000000000."
  }
}

variable "plan_principal" {
  description = "The object id of the identity plan (dev's output), where dev has its own subscription."
  type        = string
  default     = ""

  validation {
    condition     = var.plan_principal == "" || can(regex("^[0-9a-f-]{36}$", var.plan_principal))
    error_message = "plan_principal: write an object id, as 00000000-0000-0000-0000-000000000000."
  }
}

variable "shared_rights_given" {
  description = "Whether another stage of this subscription gives operations and plan their rights on what is shared."
  type        = bool
  default     = false
}

variable "gitops_repository" {
  description = "The address of the repository that Flux follows; empty: no Flux."
  type        = string
  default     = ""

  validation {
    condition     = var.gitops_repository == "" || can(regex("^(https|ssh)://", var.gitops_repository))
    error_message = "gitops_repository: write an https:// or ssh:// address, or leave it empty."
  }
}

variable "budget_amount" {
  description = "What the stage may cost a month, in the subscription's currency; alerts are sent, nothing is stopped."
  type        = number

  validation {
    condition     = var.budget_amount > 0
    error_message = "budget_amount: use a positive number."
  }
}

variable "budget_contacts" {
  description = "Who gets the budget's alerts: e-mail addresses."
  type        = list(string)

  validation {
    condition     = length(var.budget_contacts) > 0 && alltrue([for one in var.budget_contacts : strcontains(one, "@")])
    error_message = "budget_contacts: name at least one e-mail address."
  }
}

variable "budget_start" {
  description = "The first day of the month of the first deployment, as 2026-01-01; never change it after."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{4}-(0[1-9]|1[0-2])-01$", var.budget_start))
    error_message = "budget_start: write the first day of a month, as 2026-01-01."
  }
}

variable "lock" {
  description = "Whether what holds data can't be deleted until somebody takes the lock away."
  type        = bool
}

variable "sandbox" {
  description = "Whether a small container target (Container Apps) is made beside everything else."
  type        = bool
  default     = false
}

variable "sandbox_image" {
  description = "What the sandbox runs: an image of runtime and model together, by digest; empty: it waits for one."
  type        = string
  default     = ""

  validation {
    condition     = var.sandbox_image == "" || can(regex("^[^/@ ]+/[^@ ]+@sha256:[0-9a-f]{64}$", var.sandbox_image))
    error_message = "sandbox_image: write REGISTRY/NAME@sha256:DIGEST; a tag can be moved to another image."
  }
}

variable "scores_batches" {
  description = "Whether the pipeline batch-score scores for this stage: its identity operations may then write here."
  type        = bool
  default     = false
}

variable "sandbox_callers" {
  description = "Networks that may ask the sandbox from outside, as 203.0.113.0/24; none: only what shares its network."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.sandbox_callers : can(cidrhost(one, 0)) && !endswith(one, "/0")])
    error_message = "sandbox_callers: write networks as 203.0.113.0/24; the whole internet (/0) is none."
  }
}

variable "tags" {
  description = "Tags of every resource; project and stage are added."
  type        = map(string)

  validation {
    condition     = contains(keys(var.tags), "owner")
    error_message = "tags: say at least whose it is: owner."
  }
}

variable "ttl" {
  description = "A tag: after this day, as 2026-01-31, what was made for a pull request may be deleted. Empty: it stays."
  type        = string
  default     = ""

  validation {
    condition     = var.ttl == "" || (can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", var.ttl)) && var.stage != "production")
    error_message = "ttl: write a day, as 2026-01-31; production has none."
  }
}

variable "shared_resource_group" {
  description = "The resource group of what all stages share; empty: each stage keeps its own versions and images."
  type        = string
  default     = ""
}

variable "shared_private" {
  description = "Whether that is reached through private endpoints only, as `private` of shared.tfvars says."
  type        = bool
  default     = false

  validation {
    condition     = !var.shared_private || (var.private && var.shared_resource_group != "")
    error_message = "shared_private: needs private = true and a shared_resource_group."
  }
}
