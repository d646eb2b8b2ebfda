"""DeployTarget on Kubernetes: AKS, Arc-enabled clusters through their proxy, any other; by its API alone."""
