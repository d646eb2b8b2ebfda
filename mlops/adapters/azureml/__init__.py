"""Azure ML as platform and target, through azure-ai-ml. What only a live workspace can prove stands in README."""
