"""Secrets of this machine: environment variables. The secret `visionline-token` is the variable VISIONLINE_TOKEN."""

from __future__ import annotations

import os

from mlops.config import Stage
from mlops.errors import ConfigError


class LocalSecrets:
    """Reads the environment; has no identity."""

    def read(self, name: str) -> str:
        """Return the variable of that name. Raises ConfigError where it is empty."""
        variable = name.upper().replace("-", "_")
        value = os.environ.get(variable)
        if not value:
            raise ConfigError(f"environment variable {variable} is empty: set it to the secret '{name}'")
        return value

    def token(self, scope: str) -> str:
        """Raise ConfigError: this machine is nobody to others."""
        raise ConfigError("platform local has no identity of its own: name a secret in the stage file's report_secret")


def open_secrets(stage: Stage) -> LocalSecrets:
    """Return the secrets of this machine."""
    return LocalSecrets()
