"""Moves images between layouts and registries by skopeo, for every builder: it keeps digests, or says that it can't.

It logs in as docker or podman did (`docker login`, `az acr login`), and to Azure's registries by itself where this
process is known to Azure. A registry on this machine is spoken to without TLS.
Source: skopeo-copy(1) (--all, --preserve-digests), skopeo-inspect(1) (--raw).
"""

from __future__ import annotations

from pathlib import Path

from mlops.adapters.images.tools import must, run
from mlops.config import Stage
from mlops.errors import RegistryError
from mlops.images import is_plain

# What registries say of what they don't have (distribution-spec: MANIFEST_UNKNOWN, NAME_UNKNOWN).
ABSENT = ("manifest unknown", "name unknown", "not known to registry", "name_unknown", "manifest_unknown")
WAY_OUT = "log in to the registry, or mend images.registry of the stage file"


class Skopeo:
    """Any registry that speaks the distribution API."""

    def manifest(self, reference: str) -> bytes | None:
        """Return the manifest or index at a reference, None where nothing is there. Raises RegistryError."""
        command = ["skopeo", "inspect", "--raw", *_tls("--tls-verify", reference), f"docker://{reference}"]
        ended = run(command)
        if ended.code == 0:
            return ended.output
        if any(text in ended.complaint.lower() for text in ABSENT):
            return None
        raise RegistryError(f"{reference}: {ended.complaint}: {WAY_OUT}")

    def push(self, layout: Path, reference: str) -> None:
        """Put a layout's image at a reference, its digest kept. Raises RegistryError."""
        _copy([*_tls("--dest-tls-verify", reference), f"oci:{layout}", f"docker://{reference}"])

    def pull(self, image: str, layout: Path) -> None:
        """Fetch an image into a layout, for all its architectures. Raises RegistryError."""
        _copy([*_tls("--src-tls-verify", image), f"docker://{image}", f"oci:{layout}"])

    def copy(self, image: str, reference: str) -> None:
        """Copy an image, for all its architectures, its digest kept. Raises RegistryError."""
        tls = [*_tls("--src-tls-verify", image), *_tls("--dest-tls-verify", reference)]
        _copy([*tls, f"docker://{image}", f"docker://{reference}"])


def open_store(stage: Stage) -> Skopeo:
    """Return what moves images for a stage."""
    return Skopeo()


def _copy(arguments: list[str]) -> None:
    must(["skopeo", "copy", "--quiet", "--all", "--preserve-digests", *arguments], RegistryError, WAY_OUT)


def _tls(flag: str, reference: str) -> list[str]:
    return [f"{flag}=false"] if is_plain(reference) else []
