"""Blobs of the workspace's default datastore: one by its name, and its address as jobs write it.

Source: learn.microsoft.com, "Datastores" (azureml://datastores/NAME/paths/PATH).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient


def default_blob(stage: Stage, name: str) -> BlobClient:
    """Return the client of one blob, let in as the datastore lets in. Raises what the SDK raises."""
    from azure.storage.blob import BlobClient

    store = client_of(stage).datastores.get_default()
    address = f"{store.protocol}://{store.account_name}.blob.{store.endpoint}"
    secret = _secret(stage, store) or credential()
    # Its own first pause is 15 seconds.
    return BlobClient(address, store.container_name, name, credential=secret, initial_backoff=1, increment_base=2)


def names_below(stage: Stage, prefix: str) -> list[str]:
    """Return the names of the blobs below a prefix (with its last slash), without it. Raises what the SDK raises."""
    return [name.removeprefix(prefix) for name in _container(stage).list_blob_names(name_starts_with=prefix)]


def default_address(stage: Stage, name: str) -> str:
    """Return what a job calls a blob. Raises what the SDK raises."""
    return f"azureml://datastores/{client_of(stage).datastores.get_default().name}/paths/{name}"


def _container(stage: Stage) -> ContainerClient:
    from azure.storage.blob import ContainerClient

    store = client_of(stage).datastores.get_default()
    address = f"{store.protocol}://{store.account_name}.blob.{store.endpoint}"
    return ContainerClient(address, store.container_name, credential=_secret(stage, store) or credential())


def _secret(stage: Stage, store: Any) -> str | None:
    """Return the datastore's own key or signature; None where it has none, and identities alone are let in."""
    from azure.ai.ml.entities import NoneCredentialConfiguration

    if isinstance(store.credentials, NoneCredentialConfiguration):
        return None
    given = client_of(stage).datastores.get_default(include_secrets=True).credentials
    return getattr(given, "account_key", None) or getattr(given, "sas_token", None)
