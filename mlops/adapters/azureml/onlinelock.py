"""One release at a time to an endpoint: a lease on an empty blob in the workspace's default container.

Azure frees a lease that nobody renews, so a killed release locks the endpoint for LEASE_SECONDS and no longer. It knows
no endpoint but by its name.

Source: learn.microsoft.com/rest/api/storageservices/lease-blob.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mlops.adapters.azureml.defaultstore import default_blob
from mlops.adapters.azureml.failures import explained, status_of
from mlops.config import Stage
from mlops.errors import BusyError, TargetError
from mlops.holder import holder

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobLeaseClient

LEASE_SECONDS = 30
RENEW_SECONDS = 8.0
FOLDER = "visionline/locks"
HOLDER, SINCE = "holder", "since"


class Lease:
    """A lease that a thread renews until it is released."""

    def __init__(self, endpoint: str, lease: BlobLeaseClient) -> None:
        """Renew from now on."""
        self._endpoint, self._lease = endpoint, lease
        self._renewed = time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lock of {endpoint}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise TargetError where the lease may be another's by now: nothing may be changed any more."""
        if time.monotonic() - self._renewed > LEASE_SECONDS:
            raise TargetError(f"{self._endpoint}: the lock was lost, for it could not be renewed: run the step again")

    def release(self) -> None:
        """Give the lease back. Where that fails, it runs out by itself."""
        from azure.core.exceptions import AzureError

        self._is_over.set()
        self._thread.join()
        with suppress(AzureError):
            self._lease.release()

    def _renew(self) -> None:
        while not self._is_over.wait(RENEW_SECONDS):
            started = time.monotonic()
            try:
                self._lease.renew()
                self._renewed = started
            except Exception as error:  # noqa: BLE001 - whatever it is, the lease runs out unless the next try succeeds
                if status_of(error) in (404, 409):
                    self._renewed = -float(LEASE_SECONDS)
                    return


@contextmanager
def held(stage: Stage, endpoint: str) -> Iterator[Lease]:
    """Hold the lock of an endpoint. Raises BusyError, naming the holder, where it is held already."""
    with explained(f"{endpoint}: lock", TargetError):
        blob = default_blob(stage, f"{FOLDER}/{endpoint}")
        taken = _acquired(blob, endpoint)
    lease = Lease(endpoint, taken)
    try:
        with explained(f"{endpoint}: lock", TargetError):
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            blob.set_blob_metadata({HOLDER: _plain(holder()), SINCE: since}, lease=taken)
        yield lease
    finally:
        lease.release()


def _acquired(blob: BlobClient, endpoint: str) -> BlobLeaseClient:
    from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError

    if not blob.exists():
        with suppress(ResourceExistsError, ResourceModifiedError):  # somebody was faster
            blob.upload_blob(b"", overwrite=False)
    try:
        return blob.acquire_lease(LEASE_SECONDS)
    except HttpResponseError as error:
        if status_of(error) != 409:
            raise
        raise BusyError(f"{endpoint}: {_held_by(blob)}: run again when that has ended") from None


def _held_by(blob: BlobClient) -> str:
    said = blob.get_blob_properties().metadata or {}
    return f"{said.get(HOLDER, 'another process')} is releasing to it since {said.get(SINCE, 'just now')}"


def _plain(text: str) -> str:
    # Metadata travels in HTTP headers.
    return text.encode("ascii", "replace").decode()
