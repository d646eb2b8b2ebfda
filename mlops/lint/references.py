"""What a value of a file names: a file beside it, an asset of a workspace, an address."""

from __future__ import annotations

import re
from dataclasses import dataclass

ELSEWHERE = re.compile(r"(azureml:|git\+|[a-z][a-z0-9+.-]*://|/subscriptions/|\$\{\{)", re.IGNORECASE)
ASSET = re.compile(r"azureml:(?P<name>[^/:@]+)(?::(?P<version>.+)|@(?P<label>.+))?")


@dataclass(frozen=True)
class Asset:
    """`azureml:NAME:VERSION` or `azureml:NAME@LABEL`, in the workspace that a job is sent to."""

    name: str
    version: str | None
    label: str | None


def local_path(value: str) -> str | None:
    """Return the path, relative to the file that says it, of what stands in the repository; None of all else."""
    path = value.removeprefix("file:")
    return None if ELSEWHERE.match(path) else path


def asset(value: object) -> Asset | None:
    """Return the asset of the workspace that a value names, or None."""
    found = ASSET.fullmatch(value) if isinstance(value, str) else None
    return Asset(found["name"], found["version"], found["label"]) if found else None
