"""Builds images by docker's buildx, with a builder of the driver docker-container or containerd's image store.

Source: docker buildx build reference; BuildKit, docs/build-repro.md (SOURCE_DATE_EPOCH, rewrite-timestamp).
"""

from __future__ import annotations

from pathlib import Path

from mlops.adapters.images.tools import must
from mlops.config import Stage
from mlops.errors import JobError
from mlops.images import Recipe

# An attestation of BuildKit's own bears the time of the build, and would give each build another digest.
FIXED = ("--provenance=false", "--sbom=false")
WAY_OUT = "mend what it says; `docker buildx create --use` makes a builder that can write layouts"


class Docker:
    """Builds by BuildKit."""

    def build(self, recipe: Recipe, layout: Path) -> None:
        """Build an image for each architecture into an OCI layout. Raises JobError."""
        output = f"type=oci,dest={layout},tar=false,rewrite-timestamp=true"
        command = ["docker", "buildx", "build", *FIXED, "--output", output, *_flags(recipe)]
        must(command, JobError, WAY_OUT, {"SOURCE_DATE_EPOCH": "0"})


def open_builder(stage: Stage) -> Docker:
    """Return the builder of a stage whose file says docker."""
    return Docker()


def _flags(recipe: Recipe) -> list[str]:
    platforms = ",".join(f"linux/{architecture}" for architecture in recipe.architectures)
    arguments = [word for key, value in recipe.arguments.items() for word in ("--build-arg", f"{key}={value}")]
    secrets = [word for key, path in recipe.secrets.items() for word in ("--secret", f"id={key},src={path}")]
    return ["--platform", platforms, "--file", str(recipe.dockerfile), *arguments, *secrets, str(recipe.context)]
