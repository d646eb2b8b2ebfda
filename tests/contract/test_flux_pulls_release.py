"""A whole release by pull requests: a version that fails while it has traffic is revoked before anybody has agreed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_stages import QUICK, packaged
from flux_controllers import Flux
from flux_pull_places import pulls_at
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package
from pull_hosts import GitHubPullHost

from mlops import rollout
from mlops.adapters.local.registry import open_registry
from mlops.config import Release, Stage
from mlops.context import Context
from mlops.errors import BusyError
from mlops.names import image_tag, revoke_reason_tag
from mlops.ports import EndpointStatus
from mlops.records import DeployRecord, ModelVersion, Verdict, stage_tag
from mlops.steps.deploy import deploy


@pytest.fixture
def host(git_server: GitServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubPullHost]:
    with pulls_at("github", git_server, monkeypatch) as made:
        yield made


def stage_of(git_server: GitServer, policy: str) -> Stage:
    stage = flux_stage(git_server.url, policy=policy, host="github")
    return replace(stage, release=Release("int8", (50, 100), QUICK))


def reject_live(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """Let a version fail its live requests as soon as it has any."""
    judged = rollout.inspect

    def inspect(context: Context, one: ModelVersion, before: int | None, live_from: tuple[int, int]) -> Verdict:
        status: EndpointStatus = context.target.status()
        if one.version == version and status.traffic.get(version):
            return Verdict("reject", "3 of 4 live requests failed")
        return judged(context, one, before, live_from)

    monkeypatch.setattr(rollout, "inspect", inspect)


def test_a_canary_that_fails_is_revoked_though_people_must_still_agree_to_take_it_back(
    cluster: Cluster, git_server: GitServer, host: GitHubPullHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push, asking = stage_of(git_server, "push"), stage_of(git_server, "pull-request")
    registry = open_registry(push)
    for number in (1, 2):
        package = make_package(tmp_path / str(number), version_bias=number / 10)
        images = packaged(cluster, package)
        registry.register(MODEL, package, {image_tag(kind): image for kind, image in images.items()})
    reject_live(monkeypatch, 2)
    with Flux(cluster, git_server).running():
        registry.set_tag(MODEL, 1, "production", "approved")
        assert deploy(Context(push, tmp_path / "push", lambda line: None)).outcome == "served"
        registry.set_tag(MODEL, 2, "production", "approved")
        titles: list[str] = []
        record: DeployRecord | None = None
        while record is None:
            try:
                record = deploy(Context(asking, tmp_path / "asking", lambda line: None))
            except BusyError:
                titles.append(host.pulls[-1]["title"])
                assert len(titles) < 6, f"it goes round: {titles}"
                if titles[-1].startswith("production: 100 % to version 1"):
                    assert stage_tag(registry.versions(MODEL)[2], "production") == "revoked"
                host.merge(len(host.pulls))
    assert titles[-2:] == ["production: 100 % to version 1", "production: version 2 goes"]
    assert (record.version, registry.versions(MODEL)[1].tags["production"]) == (1, "approved")
    assert "live requests failed" in registry.versions(MODEL)[2].tags[revoke_reason_tag("production")]
