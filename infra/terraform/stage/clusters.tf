# Clusters, captured frames and the sandbox, and what roles are given on them.
locals {
  cluster_scopes = {}
}
