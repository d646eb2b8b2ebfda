"""Whether the Azure ML YAML of a repository is right, found without Azure: one family of rules a file."""
