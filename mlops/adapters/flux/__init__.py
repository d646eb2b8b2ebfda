"""DeployTarget on Flux: a release is a commit to a GitOps repository, and Flux applies it."""
