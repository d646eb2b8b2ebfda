"""Builds images by buildah, without a daemon or privileges: a build's commands run in a chroot.

Source: buildah-build(1), buildah-manifest-push(1). Layers are kept apart (--layers), times are 0 (--timestamp).
"""

from __future__ import annotations

import os
from pathlib import Path

from mlops.adapters.images.tools import must, run
from mlops.config import Stage
from mlops.errors import JobError
from mlops.images import Recipe, is_plain

FIXED = ("--isolation", "chroot", "--layers", "--timestamp", "0", "--format", "oci")


class Buildah:
    """Builds into a list of manifests of its own, which it writes out and removes."""

    def build(self, recipe: Recipe, layout: Path) -> None:
        """Build an image for each architecture into an OCI layout. Raises JobError."""
        name = f"localhost/visionline-{os.getpid()}"
        try:
            must(["buildah", "build", *_flags(recipe, name)], JobError, "mend what it says and run the step again")
            must(["buildah", "manifest", "push", "--all", name, f"oci:{layout}"], JobError, "run the step again")
        finally:
            run(["buildah", "manifest", "rm", name])


def open_builder(stage: Stage) -> Buildah:
    """Return the builder of a stage whose file says buildah."""
    return Buildah()


def _flags(recipe: Recipe, name: str) -> list[str]:
    platforms = ",".join(f"linux/{architecture}" for architecture in recipe.architectures)
    arguments = [word for key, value in recipe.arguments.items() for word in ("--build-arg", f"{key}={value}")]
    secrets = [word for key, path in recipe.secrets.items() for word in ("--secret", f"id={key},src={path}")]
    plain = ["--tls-verify=false"] if any(is_plain(value) for value in recipe.arguments.values()) else []
    named = ["--platform", platforms, "--manifest", name, "--file", str(recipe.dockerfile)]
    return [*FIXED, *plain, *named, *arguments, *secrets, str(recipe.context)]
