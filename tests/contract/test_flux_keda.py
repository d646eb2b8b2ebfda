"""Releases by commits where KEDA scales: a version that sleeps is awake while another is released, and sleeps again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_stages import QUICK, deployment, register
from flux_controllers import Flux
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from kubefake.faults import Call, Fault
from model_packages import MODEL, make_package
from running_endpoint import wait_for

from mlops.adapters.flux.target import open_target
from mlops.adapters.local.registry import open_registry
from mlops.config import Release, Stage
from mlops.context import Context
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback


@pytest.fixture
def stage(cluster: Cluster, git_server: GitServer, tmp_path: Path) -> Iterator[Stage]:
    """Let version 1 of two serve and sleep, by Flux and KEDA."""
    made = flux_stage(git_server.url)
    scaled = replace(made.kubernetes, autoscaling="keda")
    stage = replace(made, kubernetes=scaled, release=Release("int8", (50, 100), QUICK))
    packages = [make_package(tmp_path / str(number), version_bias=number / 10) for number in (1, 2)]
    register(stage, packages)
    with Flux(cluster, git_server).running():
        for version, package in reversed(list(enumerate(packages, 1))):
            one = deployment(cluster, stage, version, package)
        open_registry(stage).set_tag(MODEL, 1, "production", "approved")
        open_target(stage).deploy(one)
        open_target(stage).set_traffic({1: 100})
        wait_for(lambda: cluster.names("Pod") == [])
        yield stage


def release(stage: Stage, run: Path) -> Context:
    """Release version 2 beside version 1, which sleeps, and return what a step is given."""
    open_registry(stage).set_tag(MODEL, 2, "production", "approved")
    context = Context(stage, run, lambda line: None)
    record = deploy(context)
    assert (record.outcome, record.version, record.previous) == ("served", 2, 1), record.verdict
    return context


def test_a_version_that_sleeps_is_awake_for_a_release_and_what_is_released_may_sleep_after(
    stage: Stage, cluster: Cluster, git_server: GitServer, tmp_path: Path
) -> None:
    release(stage, tmp_path / "run")
    status = open_target(stage).status()
    assert (status.traffic, list(status.deployments)) == ({2: 100}, [2])
    wait_for(lambda: cluster.names("Pod") == [])
    assert cluster.names("ScaledObject") == cluster.names("Deployment") == [f"{MODEL}-v2"]
    committed = "".join(text for path, text in git_server.files().items() if "/versions/" in path)
    assert "replicas:" not in committed, "they are KEDA's"


def test_the_version_before_is_waited_for_until_it_is_awake_that_they_can_be_compared(
    stage: Stage, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.fail(f"{MODEL}-v1", "unready")

    def heal(call: Call) -> bool:
        """Let version 1 get ready once somebody waits for it."""
        if call.verb == "list" and f"{MODEL}-v1" in call.query.get("fieldSelector", ""):
            cluster.heal(f"{MODEL}-v1")
        return False

    cluster.faults.append(Fault(heal, 1))
    two = make_package(tmp_path / "again", version_bias=0.2)
    open_target(stage).deploy(deployment(cluster, stage, 2, two))
    seen = open_target(stage).status().deployments
    assert [seen[version].state for version in (1, 2)] == ["ready", "ready"]


def test_a_rollback_does_not_wait_for_the_version_that_it_leaves(
    stage: Stage, cluster: Cluster, tmp_path: Path
) -> None:
    context = release(stage, tmp_path / "run")
    wait_for(lambda: cluster.names("Pod") == [])
    cluster.fail(f"{MODEL}-v2", "crash-loop", "a frame that it does not take")
    assert rollback(context, "it crashes").served == 1
    status = open_target(stage).status()
    assert (status.traffic, list(status.deployments)) == ({1: 100}, [1])
