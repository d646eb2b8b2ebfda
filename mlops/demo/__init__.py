"""The whole life of a model on this machine, as a list of the very commands that a person or a pipeline would run."""
