"""What is read from Flux's and Flagger's own objects: how far they are with a commit, and why they are no further."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.adapters.flux.canary import analysis
from mlops.adapters.flux.flow import own, progress, source_of, source_trouble
from mlops.errors import TargetError

OURS, OLD = "a" * 40, "b" * 40
URL = "https://git.example.com/team/clusters.git"


def kustomization(
    ready: tuple[str, str, str] | None = ("True", "ReconciliationSucceeded", "Applied revision"), **changes: Any
) -> dict[str, Any]:
    """Return a Kustomization: its Ready condition's status, reason and message, and what of it differs."""
    applied, attempted = changes.get("applied", OURS), changes.get("attempted", OURS)
    status = {"lastAppliedRevision": f"main@sha1:{applied}", "lastAttemptedRevision": f"main@sha1:{attempted}"}
    conditions = [dict(zip(("status", "reason", "message"), ready, strict=True), type="Ready")] if ready else []
    seen = changes.get("observed", 3)
    return {
        "metadata": {"name": "production", "namespace": "flux-system", "generation": 3},
        "spec": {
            "path": changes.get("path", "./clusters/production"),
            "suspend": changes.get("suspend", False),
            "sourceRef": {"kind": "GitRepository", "name": changes.get("source", "clusters")},
        },
        "status": {**status, "observedGeneration": seen, "conditions": conditions},
    }


def source(
    name: str = "clusters", url: str = URL, ready: str = "True", said: str = "stored artifact"
) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "message": said}
    return {
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {"url": url},
        "status": {"conditions": [condition]},
    }


@pytest.mark.parametrize(
    "given, state, told",
    [
        (kustomization(), "applied", "ReconciliationSucceeded"),
        (kustomization(applied=OLD, attempted=OLD), "waiting", f"at main@sha1:{OLD}"),
        (kustomization(("Unknown", "Progressing", "Running health checks"), applied=OLD), "working", "health checks"),
        (
            kustomization(("False", "BuildFailed", "no such file\nx"), applied=OLD),
            "failed",
            "build failed: no such file x",
        ),
        (kustomization(("False", "BuildFailed", "of old"), applied=OLD, attempted=OLD), "waiting", "of old"),
        (
            kustomization(("False", "HealthCheckFailed", "timeout"), applied=OLD),
            "unhealthy",
            "health check failed: timeout",
        ),
        (kustomization(("False", "ReconciliationFailed", "denied"), applied=OLD), "failed", "apply failed: denied"),
        (
            kustomization(("False", "DependencyNotReady", "x"), applied=OLD, attempted=OLD),
            "waiting",
            "dependency not ready",
        ),
        (kustomization(("False", "SomethingNew", "x"), applied=OLD), "working", "SomethingNew"),
        (kustomization(suspend=True), "failed", "flux-system/production is suspended: resume it"),
        (kustomization(observed=2), "waiting", "has not seen its present generation"),
        (kustomization(None, applied="", attempted=""), "waiting", "no word yet"),
    ],
)
def test_progress_is_what_flux_says_of_our_commit(given: dict[str, Any], state: str, told: str) -> None:
    seen = progress(given, lambda commit: commit == OURS)
    assert seen.state == state and told in seen.text and "\n" not in seen.text


def test_a_revision_as_old_fluxes_write_it_is_read_too() -> None:
    given = kustomization()
    given["status"]["lastAppliedRevision"] = f"main/{OURS}"
    assert progress(given, lambda commit: commit == OURS).state == "applied"


def test_the_kustomization_is_found_by_what_it_applies_however_the_repository_is_cloned() -> None:
    others = [kustomization(path="./clusters/qa"), kustomization(source="theirs")]
    ours = kustomization(path="clusters/production/")
    sources = [
        source(url="ssh://git@git.example.com:22/team/clusters"),
        source("theirs", "https://git.example.com/x/y"),
    ]
    assert own([*others, ours], sources, URL, "clusters/production") is ours
    assert own([ours], [], URL, "clusters/production") is ours, "who may not list sources sees one path alone"


@pytest.mark.parametrize(
    "found, told", [([], "no Kustomization applies"), ([kustomization()] * 2, "2 Kustomizations apply")]
)
def test_where_not_one_kustomization_applies_the_folder_that_is_said(found: list[Any], told: str) -> None:
    with pytest.raises(TargetError, match=f"{told} clusters/production of {URL}"):
        own(found, [source()], URL, "clusters/production")


def test_a_source_that_fetches_nothing_is_told() -> None:
    broken = source(ready="False", said="authentication\nrequired")
    assert (
        source_trouble(source_of(kustomization(), [source("x"), broken]))
        == "flux-system/clusters: authentication required"
    )
    assert (source_trouble(source()), source_trouble(None)) == ("", "")


def artifact(commit: str = OURS, digest: str = "1", **changes: Any) -> dict[str, Any]:
    """Return an OCIRepository: which commit its artifact says it is of, and its digest."""
    told = {
        "org.opencontainers.image.revision": f"main@sha1:{commit}",
        "org.opencontainers.image.source": changes.get("url", URL),
    }
    made = {"revision": f"production@sha256:{digest * 64}", "metadata": told if commit else {}}
    return {**source(), "kind": "OCIRepository", "spec": {"url": "oci://x"}, "status": {"artifact": made}}


def pulled(applied: str = "1", origin: str = "", attempted: str = "") -> dict[str, Any]:
    """Return a Kustomization that applies an artifact: the digest that it is at, and the commit, if it says it."""
    made = kustomization()
    made["spec"]["sourceRef"]["kind"] = "OCIRepository"
    told = {"lastAppliedOriginRevision": f"main@sha1:{origin}"} if origin else {}
    revisions = {"lastAppliedRevision": f"production@sha256:{applied * 64}"}
    revisions["lastAttemptedRevision"] = f"production@sha256:{(attempted or applied) * 64}"
    return {**made, "status": {**made["status"], **revisions, **told}}


@pytest.mark.parametrize(
    "given, there, state, told",
    [
        (pulled(), artifact(), "applied", "ReconciliationSucceeded"),
        (pulled(origin=OURS), artifact(OLD, "2"), "applied", "Succeeded"),
        (pulled(), artifact(OLD), "waiting", "at production@sha256:1"),
        (pulled(), artifact(OURS, "2"), "waiting", "at production@sha256:1"),
        (pulled(origin=OLD, attempted="2"), artifact(OURS, "2"), "working", "at production@sha256:1"),
        (
            pulled(),
            artifact(""),
            "failed",
            "flux-system/clusters: its artifact does not say of which commit it is: push",
        ),
        (pulled(), artifact("main"), "failed", "--revision main@sha1:COMMIT`, or set flux.wait: false"),
        (pulled(), {**artifact(), "status": {}}, "waiting", "at production@sha256:1"),
    ],
)
def test_an_artifact_is_of_the_commit_that_it_says(
    given: dict[str, Any], there: dict[str, Any], state: str, told: str
) -> None:
    seen = progress(given, lambda commit: commit == OURS, there)
    assert seen.state == state and told in seen.text and "\n" not in seen.text


def test_a_kustomization_is_found_by_the_repository_that_its_artifact_is_from() -> None:
    ours, git = pulled(), kustomization(path="./bootstrap")
    assert own([ours, git], [artifact(), source()], URL, "clusters/production") is ours
    assert source_of(ours, [source(), artifact()]) == artifact(), "of the same name, by its kind"
    assert own([ours], [source(), artifact("")], URL, "clusters/production") is ours
    with pytest.raises(TargetError, match="no Kustomization applies"):
        own([ours], [source(), artifact(url="https://git.example.com/x/y")], URL, "clusters/production")


@pytest.mark.parametrize(
    "phase, weight, state, percent",
    [
        ("", 0, "going", 0),
        ("Initializing", 0, "going", 0),
        ("Initialized", 0, "done", 100),
        ("Progressing", 30, "going", 30),
        ("WaitingPromotion", 50, "going", 50),
        ("Promoting", 0, "going", 100),
        ("Finalising", 0, "going", 100),
        ("Succeeded", 0, "done", 100),
        ("Failed", 0, "failed", 0),
    ],
)
def test_a_canary_is_read_by_its_phase_and_weight(phase: str, weight: int, state: str, percent: int) -> None:
    told = {"type": "Promoted", "status": "Unknown", "message": "progress deadline\nexceeded"}
    status = {"phase": phase, "canaryWeight": weight, "conditions": [told]}
    seen = analysis({"metadata": {"name": "m"}, "status": status})
    assert (seen.state, seen.percent) == (state, percent)
    assert "canary m:" in seen.text and "progress deadline exceeded" in seen.text
