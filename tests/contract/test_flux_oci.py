"""A cluster that pulls its folder as an artifact: how far it is with a commit, and that it is asked to look at once."""

from __future__ import annotations

import pytest
from flux_stages import flux_stage
from kubefake.cluster import Cluster as FakeCluster
from kubefake.kubelet import BY_KIND

from mlops.adapters.flux.cluster import ASKED, Cluster

SYSTEM, FOLDER, COMMIT = "flux-system", "clusters/production", "a" * 40
URL = "https://git.example.com/team/clusters.git"
REVISION = f"production@sha256:{'1' * 64}"


@pytest.fixture
def pulling(cluster: FakeCluster) -> FakeCluster:
    """Return a cluster whose stage applies an artifact of our commit."""
    told = {"org.opencontainers.image.revision": f"main@sha1:{COMMIT}", "org.opencontainers.image.source": URL}
    work = {"path": f"./{FOLDER}", "sourceRef": {"kind": "OCIRepository", "name": "visionline"}}
    ready = {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "observedGeneration": 1}
    at = {"lastAppliedRevision": REVISION, "lastAttemptedRevision": REVISION, "conditions": [ready]}
    add(cluster, "OCIRepository", "visionline", {"url": "oci://registry.example/gitops"})
    add(cluster, "Kustomization", "production", work)
    artifact = {"artifact": {"revision": REVISION, "metadata": told}}
    cluster.store.set_status(BY_KIND["OCIRepository"], SYSTEM, "visionline", artifact)
    cluster.store.set_status(BY_KIND["Kustomization"], SYSTEM, "production", at)
    return cluster


def add(cluster: FakeCluster, kind: str, name: str, spec: dict[str, object]) -> None:
    if SYSTEM not in cluster.names("Namespace"):
        cluster.store.create(BY_KIND["Namespace"], "", {"metadata": {"name": SYSTEM}}, "flux")
    cluster.store.create(BY_KIND[kind], SYSTEM, {"metadata": {"name": name}, "spec": spec}, "flux")


def test_an_artifact_of_our_commit_is_the_commit_applied(pulling: FakeCluster) -> None:
    seen = Cluster(flux_stage(URL))
    assert seen.progress(FOLDER, lambda commit: commit == COMMIT).state == "applied"
    assert seen.progress(FOLDER, lambda commit: False).state == "waiting"


def test_flux_is_asked_to_look_at_the_registry_now(pulling: FakeCluster) -> None:
    Cluster(flux_stage(URL)).hurry(FOLDER)
    assert ASKED in pulling.find("OCIRepository", "visionline")["metadata"]["annotations"]


def test_an_artifact_that_names_no_commit_is_refused_at_once(pulling: FakeCluster) -> None:
    pulling.store.set_status(
        BY_KIND["OCIRepository"], SYSTEM, "visionline", {"artifact": {"revision": REVISION, "metadata": {}}}
    )
    seen = Cluster(flux_stage(URL)).progress(FOLDER, lambda commit: True)
    assert seen.state == "failed" and "flux push artifact" in seen.text and "flux.wait: false" in seen.text


def test_where_git_is_the_source_no_right_to_see_artifacts_is_needed(cluster: FakeCluster) -> None:
    add(cluster, "GitRepository", "visionline", {"url": URL})
    add(cluster, "Kustomization", "production", {"path": FOLDER, "sourceRef": {"name": "visionline"}})
    cluster.forbid("list", "ocirepositories.source.toolkit.fluxcd.io")
    assert Cluster(flux_stage(URL)).progress(FOLDER, lambda commit: True).state == "waiting"
