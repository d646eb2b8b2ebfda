"""Writes files to a container of Azure Blob Storage. It needs azure-storage-blob.

The container is given by its URL. What lets in is in the URL (a SAS), or in one of the variables that Azure's own tools
read: AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING.

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
        from azure.storage.blob import BlobServiceClient, ContainerClient
    except ImportError:
        where = "environments/serve/options/blob.txt"
        raise ServingError(f"capture: azure-storage-blob is not installed: see {where}") from None
    parts = urlsplit(url)
    options: dict[str, Any] = {"connection_timeout": SECONDS, "read_timeout": SECONDS, "retry_total": RETRIES}
    connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    token = parts.query or os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    try:
        if token is None and connection is not None:
            service = BlobServiceClient.from_connection_string(connection, **options)
            return Container(service.get_container_client(parts.path.rstrip("/").rpartition("/")[2]))
        bare = parts._replace(query="").geturl()
        return Container(ContainerClient.from_container_url(bare, credential=token, **options))
    except ValueError as error:
        raise ServingError(f"capture: to: {parts.hostname}: {error}") from None
