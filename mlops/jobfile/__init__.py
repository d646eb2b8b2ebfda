"""What Azure ML's YAML means, as rules over plain values: both the local platform and lint hold files to them.

No rule reads a file or knows a platform. Each raises ConfigError, beginning with `where`, which says file and key.
"""
