"""A stage of its own on the cluster that KUBECONFIG leads to, real or fake, with two versions that it can pull.

What a real cluster pulls is said by variables: VISIONLINE_TEST_RUNTIME is the runtime's image by digest,
VISIONLINE_TEST_MODEL_1 and _2 are the models' images by digest, with the folders of the very packages that they carry:
team.azurecr.io/team/fashion-classifier@sha256:...=.visionline/packages/fashion-classifier/1. VISIONLINE_TEST_OVERLAY
(qa), VISIONLINE_TEST_TRAFFIC (replicas; gateway, where the overlay's class is there) and VISIONLINE_TEST_SECONDS (180)
say how. `told_of` says the same of packages for the fake.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import cluster_stage, images_of_digest

from mlops.adapters.kubernetes.cluster import Cluster, connect
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.refusals import Refused
from mlops.adapters.kubernetes.target import KubernetesTarget, open_target
from mlops.config import Stage
from mlops.delivery import namespace_of, version_name
from mlops.ports import Deployment
from modelpackage import package_digest

MODELS = {1: "VISIONLINE_TEST_MODEL_1", 2: "VISIONLINE_TEST_MODEL_2"}
RUNTIME = "VISIONLINE_TEST_RUNTIME"

Object = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A stage in a namespace of its own; `packages` and `images` are those of its two versions."""

    stage: Stage
    cluster: Cluster
    packages: Mapping[int, Path]
    images: Mapping[int, Mapping[str, str]]

    @property
    def target(self) -> KubernetesTarget:
        """Return the stage's target as a new process would open it."""
        return open_target(self.stage)

    def version(self, number: int) -> Deployment:
        """Return a version to deploy."""
        package = self.packages[number]
        digest = package_digest(package)
        return Deployment(self.stage.model, number, digest, package, "int8", dict(self.images[number]))

    def hurried(self) -> Site:
        """Return the same with little patience for a version that never gets ready."""
        return replace(self, stage=replace(self.stage, kubernetes=replace(self.stage.kubernetes, rollout_seconds=8.0)))

    def path(self, api_version: str, kind: str, name: str = "") -> str:
        """Return where an object, or all of a kind, stand in the API."""
        return Kinds(self.cluster).place(api_version, kind).path(namespace_of(self.stage), name)

    def names(self, api_version: str, kind: str) -> list[str]:
        """Return the names of all objects of a kind."""
        listed = self.cluster.request("GET", self.path(api_version, kind))["items"]
        return [str(one["metadata"]["name"]) for one in listed]

    def deployment(self, number: int) -> Object:
        """Return the Deployment of a version."""
        name = version_name(self.stage.model, number)
        return dict(self.cluster.request("GET", self.path("apps/v1", "Deployment", name)))

    def change(self, api_version: str, kind: str, name: str, edit: Callable[[Object], object], manager: str) -> None:
        """Change an object as a person or another controller does, whatever else happens to it meanwhile."""
        path = self.path(api_version, kind, name)
        for tries_left in reversed(range(5)):
            found = self.cluster.request("GET", path)
            edit(found)
            try:
                self.cluster.request("PUT", path, found, {"fieldManager": manager})
                return
            except Refused as error:
                if error.status != 409 or not tries_left:
                    raise


def told_of(packages: Mapping[int, Path], traffic: str) -> dict[str, str]:
    """Return the variables that name these packages and the images that stand for them."""
    images = {number: images_of_digest(package_digest(package)) for number, package in packages.items()}
    models = {MODELS[number]: f"{images[number]['model']}={packages[number]}" for number in packages}
    return {
        RUNTIME: images[1]["runtime"],
        **models,
        "VISIONLINE_TEST_TRAFFIC": traffic,
        "VISIONLINE_TEST_SECONDS": "20",
    }


@contextmanager
def site_of(given: Mapping[str, str]) -> Iterator[Site]:
    """Yield a site by what variables say, and remove its namespace after; skip where none names images."""
    missing = [name for name in (RUNTIME, *MODELS.values()) if not given.get(name)]
    if missing:
        pytest.skip(f"no images that the cluster can pull: set {', '.join(missing)} (tests/cluster_sites.py)")
    models = {number: given[name].rpartition("=") for number, name in MODELS.items()}
    kubernetes = {
        "namespace": f"visionline-test-{uuid.uuid4().hex[:8]}",
        "overlay": given.get("VISIONLINE_TEST_OVERLAY", "qa"),
        "traffic": given.get("VISIONLINE_TEST_TRAFFIC", "replicas"),
        "replicas": 2,
        "rollout_seconds": float(given.get("VISIONLINE_TEST_SECONDS", "180")),
    }
    images = {number: {"runtime": given[RUNTIME], "model": model} for number, (model, _, _) in models.items()}
    packages = {number: Path(folder) for number, (_, _, folder) in models.items()}
    made = Site(cluster_stage(**kubernetes), connect(None), packages, images)
    try:
        yield made
    finally:
        try:
            made.cluster.request("DELETE", f"/api/v1/namespaces/{namespace_of(made.stage)}")
        except Refused as error:
            assert error.status == 404
