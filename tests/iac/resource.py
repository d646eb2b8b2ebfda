"""A resource as either language deploys it: Azure's kind, its id, its attributes, and where it is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """`id` is `Microsoft.X/kind/name/...`, the part of Azure's id behind /providers/; `declared` is file and line.

    `attributes` are Terraform's arguments, or what a Bicep resource holds; of azapi, what Azure is sent.
    """

    kind: str
    name: str
    id: str
    attributes: dict[str, Any]
    declared: str


@dataclass(frozen=True)
class Deployment:
    """All that a stage deploys, in one language."""

    language: str
    resources: tuple[Resource, ...]
    outputs: dict[str, Any]
    parameters: dict[str, Any]

    def of(self, kind: str) -> tuple[Resource, ...]:
        """Return the resources of a kind, whatever its case."""
        return tuple(one for one in self.resources if one.kind.lower() == kind.lower())


def short_id(text: object) -> str:
    """Return what stands behind the last /providers/ of an id, of a group's its kind and name; other text as it is."""
    before, is_group, name = str(text).rpartition("/resourceGroups/")
    if is_group and "/" not in name and before.startswith("/subscriptions/"):
        return f"Microsoft.Resources/resourceGroups/{name}"
    return str(text).rpartition("/providers/")[2]
