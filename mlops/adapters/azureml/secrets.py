"""Secrets on Azure ML: of the key vault that belongs to the workspace, and Entra tokens of this process's identity.

The identity needs the role Key Vault Secrets User on that vault (in a job: the compute's identity).

Source: learn.microsoft.com/rest/api/keyvault, "Get Secret".
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from mlops.adapters.azureml.arm import Arm, workspace_path
from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.failures import explained
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.rest import Refused, Rest, field_of, persistently

WORKSPACE_API = "2024-10-01"
VAULT_API = "7.4"
VAULT_SCOPE = "https://vault.azure.net/.default"


@dataclass(frozen=True)
class VaultSecrets:
    """The secrets of a stage's workspace."""

    stage: Stage

    def read(self, name: str) -> str:
        """Return a secret's current value. Raises ConfigError where it is not there, or not for this identity."""
        workspace = Arm().get(workspace_path(self.stage), WORKSPACE_API)
        vault = str(field_of(field_of(workspace, "properties"), "keyVault")).rpartition("/")[2]
        token = self.token(VAULT_SCOPE)
        service = Rest(f"https://{vault}.vault.azure.net", {"Authorization": f"Bearer {token}"}, token)
        path = f"/secrets/{quote(name, safe='')}?api-version={VAULT_API}"
        try:
            return str(field_of(persistently(lambda: service.request("GET", path)), "value"))
        except Refused as error:
            raise ConfigError(f"{error}: {_advice(error.status, name, vault)}") from None

    def token(self, scope: str) -> str:
        """Return an Entra token of this process's identity. Raises ConfigError where it gets none."""
        with explained("login", ConfigError):
            return credential().get_token(scope).token


def open_secrets(stage: Stage) -> VaultSecrets:
    """Return the secrets of the stage's workspace."""
    return VaultSecrets(stage)


def _advice(status: int, name: str, vault: str) -> str:
    if status == 404:
        return f"put the secret '{name}' into key vault {vault}, or name another in the stage file's report_secret"
    return f"give this identity the role Key Vault Secrets User on key vault {vault}"
