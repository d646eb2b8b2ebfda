"""What tests that release to a fake cluster share: a stage on it, and images that stand for model packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubefake.cluster import Cluster

from mlops.adapters.local.registry import open_registry
from mlops.config import Release, Stage, Verify, load_stage
from mlops.names import image_tag
from mlops.ports import Deployment
from modelpackage import package_digest

QUICK = Verify(requests=2, bake_seconds=0, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1000.0)


def cluster_stage(name: str = "production", **changes: Any) -> Stage:
    """Return a stage whose target is the current context's cluster, with a quick canary; changes of `kubernetes`."""
    stage = load_stage(name)
    quick = Release("int8", (10, 100), QUICK)
    return replace(stage, target="kubernetes", release=quick, kubernetes=replace(stage.kubernetes, **changes))


def packaged(cluster: Cluster, package: Path) -> dict[str, str]:
    """Return the images of a package, and let the cluster pull them."""
    images = images_of_digest(package_digest(package))
    cluster.package(images["model"], package)
    return images


def images_of_digest(digest: str) -> dict[str, str]:
    """Return the images that stand for a package: the runtime's is the same for all."""
    return {"runtime": f"registry.example/runtime@sha256:{'0' * 64}", "model": f"registry.example/model@{digest}"}


def deployment(cluster: Cluster, stage: Stage, version: int, package: Path) -> Deployment:
    """Return what to deploy as a version, its images being there to pull."""
    digest = package_digest(package)
    return Deployment(stage.model, version, digest, package, "int8", packaged(cluster, package))


def register(stage: Stage, packages: list[Path], packaged_as: Mapping[int, Mapping[str, str]] | None = None) -> None:
    """Register packages in turn, as packaged: with the images that stand for them, or with those that are given."""
    registry = open_registry(stage)
    for number, package in enumerate(packages, 1):
        images = (packaged_as or {}).get(number) or images_of_digest(package_digest(package))
        registry.register(stage.model, package, {image_tag(kind): image for kind, image in images.items()})
