# As mlops/names.py has them; a test compares both.
locals {
  names = {
    resource_group = "rg-${var.name}-shared"
    registry       = "mlr-${var.name}"
    images         = "cr${var.name}shared${var.suffix}"
    metrics        = "amw-${var.name}"
    dashboards     = "amg-${var.name}"
    logs           = "log-${var.name}-shared"
  }
}
