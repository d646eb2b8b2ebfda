"""What a repository needs before its pipelines run: environments, branch rules, identities, as commands of gh and az.

Pure but for mlops/bootstrap/command.py, which runs them. Each command may be run again: what is so already stays so.
"""
