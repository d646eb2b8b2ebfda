"""What the step `package` asks of tools for images: to build, to keep in a registry, to sign, to list what is inside.

An adapter is a file under mlops/adapters/images/; mlops/adapters/__init__.py names it. References are written as
`host/path@sha256:<hex>`, or `host/path:tag` where it is looked for what lies there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Recipe:
    """An image to build: a Dockerfile, the folder it copies from, build arguments, architectures (amd64, arm64).

    `secrets` are files that a build may read and that stay out of the image, by the id that the Dockerfile mounts.
    """

    dockerfile: Path
    context: Path
    arguments: Mapping[str, str]
    architectures: tuple[str, ...]
    secrets: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What an SBOM is of: a name, a version, and the digest of the image."""

    name: str
    version: str
    digest: str


class ImageBuilder(Protocol):
    """Runs a Dockerfile."""

    def build(self, recipe: Recipe, layout: Path) -> None:
        """Build an image for each architecture, with all times at 0, into an OCI layout. Raises JobError."""


class ImageStore(Protocol):
    """A container registry, and others that images come from."""

    def manifest(self, reference: str) -> bytes | None:
        """Return the manifest or index at a reference, None where nothing is there. Raises RegistryError."""

    def push(self, layout: Path, reference: str) -> None:
        """Put an OCI layout's image at a reference, its digest kept. Raises RegistryError."""

    def pull(self, image: str, layout: Path) -> None:
        """Fetch an image into an OCI layout, for all its architectures. Raises RegistryError."""

    def copy(self, image: str, reference: str) -> None:
        """Copy an image from where it lies, for all its architectures, its digest kept. Raises RegistryError."""


class Signer(Protocol):
    """Signs images, and refuses those that are not signed."""

    def sign(self, image: str, sbom: Path) -> bool:
        """Sign an image and attest its SBOM, unless it is signed; tell whether images are signed here at all."""

    def verify(self, image: str) -> None:
        """Raises DeployError where an image is not signed by who the stage names, TargetError where none can tell."""


class Inventory(Protocol):
    """Lists what is in an image, as a CycloneDX document: the same image gives the same text."""

    def runtime(self, layout: Path, subject: Subject) -> str:
        """Return the SBOM of the runtime's image: Python's and the system's packages that are in its layers."""

    def model(self, package: Path, subject: Subject) -> str:
        """Return the ML-BOM of a model package: each file by the digest that release.json names, and its origin."""


def repository_of(image: str) -> str:
    """Return the part of a reference before the digest or the tag."""
    return image.partition("@")[0] if "@" in image else image[: image.rindex(":")]


def digest_of(image: str) -> str:
    """Return the digest of a reference that has one. Raises ValueError where it has none."""
    repository, at, digest = image.partition("@")
    if not at or not digest.startswith("sha256:"):
        raise ValueError(f"{image}: names no digest")
    return digest


def is_plain(image: str) -> bool:
    """Tell whether a reference's registry is on this machine, and so spoken to without TLS, as docker does."""
    host = image.split("/")[0].rsplit(":", 1)[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
