"""Writes files to a container of Azure Blob Storage. It needs azure-storage-blob.

The container is given by its URL. What lets in is in the URL (a SAS), or in one of the variables that Azure's own tools
read: AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING; or it is the identity of the machine or of the user,
where azure-identity is installed.

Source: https://learn.microsoft.com/azure/storage/blobs/storage-blob-upload-python.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from serving.errors import ServingError

SECONDS = 10.0
RETRIES = 2
CONTENT_TYPES = {".jpg": "image/jpeg", ".json": "application/json"}


class Container:
    """A container, and the connection to it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def write(self, name: str, content: bytes) -> None:
        """Upload a blob: it is there whole, or not at all. Raises OSError where that fails."""
        from azure.core.exceptions import AzureError
        from azure.storage.blob import ContentSettings

        kind = ContentSettings(content_type=CONTENT_TYPES[os.path.splitext(name)[1]])
        try:
            self._client.upload_blob(name, content, overwrite=True, content_settings=kind)
        except AzureError as error:
            raise OSError(type(error).__name__) from None  # its message may hold the URL, and so the SAS


def open_container(url: str) -> Container:
    """Return the container at a URL; nothing is sent yet. Raises ServingError where it can't be used."""
    try:
        from azure.storage.blob import ContainerClient
    except ImportError:
        where = "environments/serve/options/blob.txt"
        raise ServingError(f"capture: azure-storage-blob is not installed: see {where}") from None
    parts = urlsplit(url)
    options: dict[str, Any] = {"connection_timeout": SECONDS, "read_timeout": SECONDS, "retry_total": RETRIES}
    bare = parts._replace(query="").geturl().rstrip("/")
    connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    token = parts.query or os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    try:
        if connection and not token:
            return Container(_by_connection_string(connection, bare, options))
        credential = token or _identity(f"capture: to: {parts.hostname}")
        return Container(ContainerClient.from_container_url(bare, credential=credential, **options))
    except ValueError as error:
        raise ServingError(f"capture: to: {parts.hostname}: {error}") from None


def _by_connection_string(connection: str, url: str, options: dict[str, Any]) -> Any:
    """Return the container's client. Raises ValueError where the string is of another account than the URL."""
    from azure.storage.blob import ContainerClient

    client = ContainerClient.from_connection_string(connection, url.rpartition("/")[2], **options)
    if client.url.lower() != url.lower():
        raise ValueError("AZURE_STORAGE_CONNECTION_STRING is of another account: unset it, or give its container's URL")
    return client


def _identity(where: str) -> Any:
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        names = "AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING"
        raise ServingError(f"{where}: nothing lets in: set {names}, or install azure-identity") from None
    return DefaultAzureCredential()
