# A cluster that serves a stage: what infra/kubernetes and infra/flux expect. Accounts are Entra's only.
terraform {
  required_providers {
    azapi = {
      source = "azure/azapi"
    }
  }
}

locals {
  # GPUs are not in every zone, so their pool is where Azure has some.
  zones = var.production ? ["1", "2", "3"] : null
}

resource "azurerm_user_assigned_identity" "cluster" {
  name                = "id-${var.name}"
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags
}

resource "azurerm_user_assigned_identity" "nodes" {
  name                = "id-${var.name}-nodes"
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags
}

# Both before the cluster, which can't be made without them; all other roles are in infra/roles.yaml.
resource "azurerm_role_assignment" "operate_nodes" {
  scope                = azurerm_user_assigned_identity.nodes.id
  role_definition_name = "Managed Identity Operator"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "join_subnet" {
  count = var.place.private ? 1 : 0

  scope                = var.nodes_subnet
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_kubernetes_cluster" "one" {
  depends_on = [azurerm_role_assignment.operate_nodes, azurerm_role_assignment.join_subnet]

  name                = var.name
  resource_group_name = var.place.resource_group
  location            = var.place.location
  tags                = var.place.tags

  dns_prefix                = var.name
  kubernetes_version        = var.kubernetes_version
  sku_tier                  = var.production ? "Standard" : "Free"
  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"

  local_account_disabled            = true
  role_based_access_control_enabled = true
  run_command_enabled               = false
  private_cluster_enabled           = var.place.private
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  azure_policy_enabled              = true
  image_cleaner_enabled             = true
  image_cleaner_interval_hours      = 168

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled = true
    tenant_id          = var.tenant
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }

  kubelet_identity {
    user_assigned_identity_id = azurerm_user_assigned_identity.nodes.id
    client_id                 = azurerm_user_assigned_identity.nodes.client_id
    object_id                 = azurerm_user_assigned_identity.nodes.principal_id
  }

  # The system's own pods have nodes to themselves.
  default_node_pool {
    name                         = "system"
    vm_size                      = var.cpu_size
    vnet_subnet_id               = var.nodes_subnet
    auto_scaling_enabled         = true
    min_count                    = var.production ? 2 : 1
    max_count                    = 3
    zones                        = local.zones
    only_critical_addons_enabled = true
    os_sku                       = "AzureLinux"
    temporary_name_for_rotation  = "systemtmp"

    upgrade_settings {
      max_surge = "10%"
    }
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    load_balancer_sku   = "standard"
    outbound_type       = var.place.private ? "userAssignedNATGateway" : "loadBalancer"
    pod_cidr            = "192.168.0.0/16"
    service_cidr        = "172.16.0.0/16"
    dns_service_ip      = "172.16.0.10"
  }

  auto_scaler_profile {
    expander                    = "least-waste"
    scale_down_unneeded         = "10m"
    skip_nodes_with_system_pods = true
    balance_similar_node_groups = true
  }

  # Upgrades drain nodes: at an hour that is known.
  maintenance_window_auto_upgrade {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = "Sunday"
    start_time  = "02:00"
    duration    = 4
    utc_offset  = "+00:00"
  }

  maintenance_window_node_os {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = "Sunday"
    start_time  = "02:00"
    duration    = 4
    utc_offset  = "+00:00"
  }

  workload_autoscaler_profile {
    keda_enabled = true
  }

  # Without NGINX; gateway.tf brings the Gateway API in its place.
  web_app_routing {
    dns_zone_ids             = []
    default_nginx_controller = "None"
  }

  dynamic "monitor_metrics" {
    for_each = var.metrics == "" ? [] : [var.metrics]
    content {}
  }
}

# What serves on CPUs.
resource "azurerm_kubernetes_cluster_node_pool" "cpu" {
  name                  = "cpu"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.one.id
  tags                  = var.place.tags
  vm_size               = var.cpu_size
  vnet_subnet_id        = var.nodes_subnet
  mode                  = "User"
  os_sku                = "AzureLinux"
  auto_scaling_enabled  = true
  min_count             = min(var.production ? 2 : 1, var.cpu_max_nodes)
  max_count             = var.cpu_max_nodes
  zones                 = local.zones
  node_labels           = { "visionline/pool" = "cpu" }

  upgrade_settings {
    max_surge = "10%"
  }
}

# What infra/kubernetes/overlays/gpu tolerates: nothing else comes to these nodes, and without work there are none.
resource "azurerm_kubernetes_cluster_node_pool" "gpu" {
  count = var.gpu_max_nodes > 0 ? 1 : 0

  name                  = "gpu"
  kubernetes_cluster_id = azurerm_kubernetes_cluster.one.id
  tags                  = var.place.tags
  vm_size               = var.gpu_size
  vnet_subnet_id        = var.nodes_subnet
  mode                  = "User"
  os_sku                = "Ubuntu"
  gpu_driver            = "Install"
  auto_scaling_enabled  = true
  min_count             = 0
  max_count             = var.gpu_max_nodes
  node_labels           = { "visionline/pool" = "gpu" }
  node_taints           = ["sku=gpu:NoSchedule"]

  upgrade_settings {
    max_surge = "10%"
  }
}

# Pods of the stage's service account get tokens of the serving identity, and no secret.
resource "azurerm_federated_identity_credential" "serving" {
  name                = "kubernetes"
  resource_group_name = var.place.resource_group
  parent_id           = var.serving
  audience            = ["api://AzureADTokenExchange"]
  issuer              = azurerm_kubernetes_cluster.one.oidc_issuer_url
  subject             = "system:serviceaccount:${var.namespace}:visionline"
}

resource "azurerm_monitor_diagnostic_setting" "one" {
  name                       = "logs"
  target_resource_id         = azurerm_kubernetes_cluster.one.id
  log_analytics_workspace_id = var.place.logs

  dynamic "enabled_log" {
    for_each = toset(["kube-audit-admin", "guard", "kube-apiserver", "cluster-autoscaler"])
    content {
      category = enabled_log.value
    }
  }
  enabled_metric {
    category = "AllMetrics"
  }
}
