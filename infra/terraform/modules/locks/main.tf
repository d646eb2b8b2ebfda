# Locks on what holds data. Not on the group or the workspace: a lock there would also stop a release from removing the
# old deployment, and clusters from removing nodes.
resource "azurerm_management_lock" "one" {
  for_each = var.scopes

  name       = "keep"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Holds data of a stage that serves: take this lock away first, knowingly."
}
