"""Releases where Flagger moves the traffic: one commit of a version, its steps waited for, its failure in its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import QUICK, packaged, register
from flagger_controller import Flagger
from flux_controllers import Flux
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from kubefake.faults import Call, Fault
from model_packages import MODEL, make_package

from mlops.adapters.flux.target import open_target
from mlops.adapters.local.registry import open_registry
from mlops.config import Release, Stage
from mlops.context import Context
from mlops.delivery import namespace_of
from mlops.errors import TargetError
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback
from mlops.steps.verify import verify


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    return [make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)]


@pytest.fixture
def stage(git_server: GitServer) -> Stage:
    made = flux_stage(git_server.url, flagger=True)
    return replace(made, release=Release("int8", (10, 50, 100), QUICK))


@pytest.fixture
def flagger(cluster: Cluster, git_server: GitServer, stage: Stage, packages: list[Path]) -> Iterator[Flagger]:
    register(stage, packages)
    for package in packages:
        packaged(cluster, package)
    with Flux(cluster, git_server).running(), Flagger(cluster, namespace_of(stage), MODEL).running() as running:
        yield running


def approve(stage: Stage, version: int, run: Path) -> Context:
    open_registry(stage).set_tag(MODEL, version, stage.name, "approved")
    return Context(stage, run / str(version), lambda line: None)


def served(stage: Stage) -> tuple[Any, ...]:
    status = open_target(stage).status()
    return status.traffic, list(status.deployments)


def test_flagger_moves_the_traffic_and_the_steps_are_waited_for(
    flagger: Flagger, stage: Stage, git_server: GitServer, tmp_path: Path
) -> None:
    assert served(stage) == ({}, [])
    assert deploy(approve(stage, 1, tmp_path)).outcome == "served"
    assert served(stage) == ({1: 100}, [1])
    context = approve(stage, 2, tmp_path)
    record = deploy(context)
    assert (record.outcome, record.version, record.previous) == ("served", 2, 1)
    steps = [{"1": 90, "2": 10}, {"1": 50, "2": 50}, {"2": 100}]
    moves = [event.traffic for event in record.events]
    assert moves and moves == steps[-len(moves) :], "steps that Flagger has left behind are not waited for"
    assert served(stage) == ({2: 100}, [2])
    assert verify(context).verdict.outcome == "promote"
    phases = [phase for phase, _ in flagger.seen]
    assert phases[:2] == ["Initializing", "Initialized"] and phases[-2:] == ["Promoting", "Succeeded"]
    titles = [one.partition("\n")[0].removeprefix("production: ") for one in git_server.messages()[::-1]]
    assert titles == ["Begin", f"version 1 of {MODEL}", f"version 2 of {MODEL}", "version 1 goes"]
    rollback(context, "a test")
    assert served(stage) == ({1: 100}, [1])


def test_a_version_that_flagger_fails_is_revoked_in_its_words_and_leaves_the_repository(
    flagger: Flagger, stage: Stage, git_server: GitServer, tmp_path: Path
) -> None:
    deploy(approve(stage, 1, tmp_path))
    flagger.verdict = "errors 12.5 > 0"
    record = deploy(approve(stage, 2, tmp_path))
    assert (record.outcome, record.version, record.verdict.outcome) == ("reverted", 1, "reject")
    assert "canary fashion-classifier: Failed" in record.verdict.reason and "errors 12.5 > 0" in record.verdict.reason
    assert stage_tag(open_registry(stage).versions(MODEL)[2], "production") == "revoked"
    assert served(stage) == ({1: 100}, [1])
    assert not [path for path in git_server.files() if "versions/v2/" in path]


def test_an_outage_of_the_api_is_waited_out_and_one_that_does_not_end_is_told(
    flagger: Flagger, stage: Stage, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(approve(stage, 1, tmp_path))
    before = len(flagger.seen)
    outage = Fault(lambda call: is_look(call) and len(flagger.seen) > before, 3, 403)
    cluster.faults.append(outage)
    assert deploy(approve(stage, 2, tmp_path)).outcome == "served"
    assert outage.times == 0
    short = replace(stage, kubernetes=replace(stage.kubernetes, rollout_seconds=0.5))
    cluster.faults.append(Fault(is_look, 10**6, 403))
    with pytest.raises(TargetError, match="production: waited in vain for Flagger: .*made to fail"):
        open_target(short).set_traffic({2: 100})


def is_look(call: Call) -> bool:
    """Tell whether somebody looks at a canary: what Flux applies must not fail, or it is Flux that is told."""
    return (call.verb, call.resource) == ("get", "canaries.flagger.app")
