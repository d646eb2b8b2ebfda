# As mlops/names.py has them; a test compares both.
locals {
  short = var.stage == "production" ? "prod" : var.stage

  names = {
    resource_group      = "rg-${var.name}-${var.stage}"
    network             = "vnet-${var.name}-${var.stage}"
    ci                  = "id-${var.name}-${var.stage}-ci"
    jobs                = "id-${var.name}-${var.stage}-jobs"
    serving             = "id-${var.name}-${var.stage}-serving"
    infra               = "id-${var.name}-${var.stage}-infra"
    operations          = "id-${var.name}-operations"
    plan                = "id-${var.name}-plan"
    logs                = "log-${var.name}-${var.stage}"
    insights            = "appi-${var.name}-${var.stage}"
    monitor_scope       = "ampls-${var.name}-${var.stage}"
    storage             = "st${var.name}${local.short}${var.suffix}"
    captures            = "stc${var.name}${local.short}${var.suffix}"
    key_vault           = "kv-${var.name}${local.short}${var.suffix}"
    images              = "cr${var.name}${local.short}${var.suffix}"
    workspace           = "mlw-${var.name}-${var.stage}"
    online_endpoint     = "${var.name}-${local.short}-online-${var.suffix}"
    batch_endpoint      = "${var.name}-${local.short}-batch-${var.suffix}"
    kubernetes          = "aks-${var.name}-${var.stage}"
    namespace           = "${var.name}-${var.stage}"
    sandbox             = "ca-${var.name}-${var.stage}"
    sandbox_environment = "cae-${var.name}-${var.stage}"
    budget              = "budget-${var.name}-${var.stage}"
  }

  shared_names = {
    registry   = "mlr-${var.name}"
    metrics    = "amw-${var.name}"
    dashboards = "amg-${var.name}"
    images     = "cr${var.name}shared${var.suffix}"
  }
}
