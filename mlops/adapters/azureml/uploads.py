"""Uploads by azure-ai-ml that go on over what an interrupted one left.

Found in 1.35.2 (_artifacts/_blob_storage_helper.py): the SDK overwrites leftovers only where the one file that it looks
at is among them; else it fails on each file that is there already. The try that fails so puts that one file there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TRIES = 4


def over_leftovers(upload: Callable[[], T]) -> T:
    """Return what `upload` returns, again where files of an earlier one are in its way. Raises what it raises."""
    from azure.core.exceptions import ResourceExistsError

    for _ in range(TRIES - 1):
        try:
            return upload()
        except ResourceExistsError as error:
            if "BlobAlreadyExists" not in str(error):
                raise
    return upload()
