"""Releases by commits: what is seen of them, what could not be seen and is said to be so, and why Flux is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import QUICK, deployment, images_of_digest, packaged
from flux_controllers import Flux
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package

from mlops.adapters.flux import commits
from mlops.adapters.flux.target import open_target
from mlops.adapters.local.registry import open_registry
from mlops.config import Release, Stage
from mlops.context import Context
from mlops.errors import DeployError, TargetError
from mlops.names import image_tag
from mlops.ports import DeploymentStatus
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.verify import verify
from mlops.verification import judge_seen


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("packages")
    return {number: make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)}


@pytest.fixture
def flux(cluster: Cluster, git_server: GitServer) -> Iterator[Flux]:
    with Flux(cluster, git_server).running() as running:
        yield running


def stage_of(git_server: GitServer, seconds: float = 60.0, **flux: Any) -> Stage:
    stage = flux_stage(git_server.url, **flux)
    quick = Release("int8", (50, 100), QUICK)
    return replace(stage, release=quick, kubernetes=replace(stage.kubernetes, rollout_seconds=seconds))


def registered(stage: Stage, packages: dict[int, Path], approved: int, run: Path) -> Context:
    """Register the packages, as packaged, approve the first ones, and return what a step is given."""
    for number, package in packages.items():
        made = open_registry(stage).register(MODEL, package, {})
        for kind, image in images_of_digest(made.digest).items():
            open_registry(stage).set_tag(MODEL, number, image_tag(kind), image)
        if number <= approved:
            open_registry(stage).set_tag(MODEL, number, stage.name, "approved")
    return Context(stage, run, lambda line: None)


def test_where_nobody_looks_by_choice_the_records_say_that_nothing_was_seen(
    git_server: GitServer, packages: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []
    monkeypatch.setattr(commits, "sleep", paused.append)
    context = registered(stage_of(git_server, 120.0, wait=False), packages, 2, tmp_path)
    record = deploy(context)
    assert (record.outcome, record.version, record.verdict.outcome) == ("served", 2, "promote")
    assert "declared, and not seen: flux.wait is false" in record.verdict.reason
    assert record.events[0].reason == "100 % to version 2, and nobody looks"
    assert paused == [120.0], "the version is given its time to get ready before it gets traffic"
    checked = verify(context)
    assert (checked.verdict.outcome, [rule.rule for rule in checked.verdict.rules]) == ("promote", ["traffic", "seen"])
    assert "not seen" in checked.verdict.rules[1].reason
    again = deploy(context)
    assert again.outcome == "unchanged" and "not seen: flux.wait is false" in again.verdict.reason


def test_a_release_that_was_killed_in_its_pause_pauses_again_before_it_moves_the_traffic(
    git_server: GitServer, packages: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(git_server, 120.0, wait=False)
    context, seen = registered(stage, packages, 1, tmp_path), list[tuple[float, dict[int, int]]]()

    def pause(seconds: float) -> None:
        seen.append((seconds, dict(open_target(stage).status().traffic)))
        if len(seen) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(commits, "sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        deploy(context)
    assert deploy(context).outcome == "served"
    assert seen == [(120.0, {}), (120.0, {})]
    assert deploy(context).outcome == "unchanged" and len(seen) == 2


def test_where_the_cluster_should_be_looked_at_and_can_not_be_nothing_is_promoted(
    git_server: GitServer, packages: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    stage = stage_of(git_server)
    context = registered(stage, packages, 1, tmp_path)
    with pytest.raises(TargetError, match="commit [0-9a-f]{12} is on main, but nobody saw what became of it") as caught:
        deploy(context)
    assert "\n" not in str(caught.value)
    assert "version 1" in git_server.messages()[0] and git_server.refs() == ["refs/heads/main"]
    assert stage_tag(open_registry(stage).versions(MODEL)[1], "production") == "approved", "no version is to blame"
    unseen = open_target(replace(stage, flux=replace(stage.flux, wait=False)))
    unseen.set_traffic({1: 100})
    again = Context(stage, tmp_path, lambda line: None)
    for verdict in (verify(again).verdict, deploy(again).verdict):
        assert verdict.outcome == "error" and "not seen" in verdict.reason


def test_a_suspended_flux_is_told_and_the_commit_is_taken_up_once_it_is_resumed(
    cluster: Cluster, flux: Flux, packages: dict[int, Path]
) -> None:
    stage = stage_of(flux.server)
    flux.suspend()
    with pytest.raises(TargetError, match="flux-system/production is suspended: resume it"):
        open_target(stage).deploy(deployment(cluster, stage, 1, packages[1]))
    assert open_target(stage).status().deployments[1].state == "unseen"
    flux.suspend(False)
    open_target(stage).deploy(deployment(cluster, stage, 1, packages[1]))
    assert open_target(stage).status().deployments[1].state == "ready"


def test_a_dependency_that_is_not_ready_and_a_build_that_fails_are_told_in_fluxs_words(
    cluster: Cluster, flux: Flux, packages: dict[int, Path]
) -> None:
    stage = stage_of(flux.server, 1.0)
    flux.is_ready_to_go = False
    one = deployment(cluster, stage, 1, packages[1])
    with pytest.raises(TargetError, match="not in force: .*dependency not ready: dependency 'flux-system/infra"):
        open_target(stage).deploy(one)
    flux.is_ready_to_go = True
    flux.server.write({"clusters/production/kubernetes/base/kustomization.yaml": "resources: [gone.yaml]\n"}, "Spoil")
    clone = open_target(stage).clone
    assert clone.head().files  # ours, spoilt by somebody
    with pytest.raises(TargetError, match="build failed: kustomize build failed: .*gone.yaml"):
        stuck = open_target(replace(stage, kubernetes=replace(stage.kubernetes, rollout_seconds=60.0)))
        stuck.follow(stuck.cluster, clone.head(), lambda: False)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault, said", [("crash-loop", "crashes"), ("image-pull", "ErrImagePull|ImagePullBackOff")])
def test_a_version_that_fails_its_health_check_is_told_by_its_pods_reason_and_leaves_the_repository(
    fault: str, said: str, cluster: Cluster, git_server: GitServer, packages: dict[int, Path]
) -> None:
    stage = stage_of(git_server)
    with Flux(cluster, git_server, health_seconds=2.0).running():
        cluster.fail(f"{MODEL}-v1", fault, "manifest unknown: not found")
        packaged(cluster, packages[1])
        with pytest.raises((DeployError, TargetError), match=said):
            open_target(stage).deploy(deployment(cluster, stage, 1, packages[1]))
    assert [one.partition("\n")[0] for one in git_server.messages()[:2]] == [
        "production: version 1 goes",
        f"production: version 1 of {MODEL}",
    ]
    assert cluster.names("Deployment") == []


@pytest.mark.parametrize(
    "state, digest, outcome",
    [
        ("declared", "sha256:1", "promote"),
        ("declared", "sha256:2", "reject"),
        ("unseen", "sha256:1", "error"),
        ("unseen", "sha256:2", "reject"),
        ("ready", "sha256:2", "promote"),
    ],
)
def test_what_nobody_saw_is_promoted_by_choice_alone(state: str, digest: str, outcome: str) -> None:
    one = DeploymentStatus(1, digest, state, "the cluster does not answer", 0, 0, "", "/v2/models/m/infer")
    result = judge_seen(one, "sha256:1")
    assert result.outcome == outcome, "of one that was seen, other rules judge the digest"
    assert ("not seen: the cluster does not answer" in result.reason) == (state != "ready" and digest == "sha256:1")
