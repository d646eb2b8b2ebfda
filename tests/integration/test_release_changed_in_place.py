"""What serves alone is changed in place, or a release was killed before its end: who fails then leaves no gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from model_packages import make_package, spoil_golden
from registries import give_database

from mlops import rollout
from mlops.adapters.local.stop import stop_endpoints
from mlops.config import Release, Verify, load_stage
from mlops.context import Context
from mlops.errors import TargetError
from mlops.names import APPROVED, REVOKED
from mlops.ports import Deployment, DeploymentStatus, DeployTarget, EndpointStatus
from mlops.probe import Golden, Probes, probe_in_turn
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from modelpackage import package_digest

QUICK = Verify(requests=2, bake_seconds=0, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1e6)

Approve = Callable[[int, str], Path]


@dataclass
class Failing:
    """The target itself, but that one version is said to have failed."""

    target: DeployTarget
    version: int

    def status(self) -> EndpointStatus:
        """Return what the target says, but of the one version."""
        seen = self.target.status()
        said = {n: replace(one, state="failed") if n == self.version else one for n, one in seen.deployments.items()}
        return replace(seen, deployments=said)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


@pytest.fixture
def context(own_platform: Path) -> Iterator[Context]:
    """Production, to which variant int8 is released, and where nothing serves yet."""
    stage = replace(load_stage("production"), release=Release("int8", (20, 100), QUICK))
    give_database(stage.home)
    yield Context(stage, own_platform / "run", lambda line: None)
    stop_endpoints(stage.home)


@pytest.fixture
def approve(context: Context) -> Approve:
    """Return what registers and approves a version whose golden predictions of a variant are spoilt ("": of none)."""

    def approved(number: int, spoilt: str) -> Path:
        package = make_package(context.run.parent / f"package-{number}", version_bias=number / 10)
        if spoilt:
            spoil_golden(package, spoilt)
        context.registry.register(context.stage.model, package, {})
        context.registry.set_tag(context.stage.model, number, "production", APPROVED)
        return package

    return approved


def changed(context: Context) -> Context:
    """Return the same stage, after somebody wrote another variant into its file."""
    return Context(replace(context.stage, release=Release("fp32", (20, 100), QUICK)), context.run / "fp32", print)


def tag(context: Context, version: int) -> str | None:
    """Return what production's tag of a version says."""
    return stage_tag(context.registry.versions(context.stage.model)[version], "production")


def test_a_variant_that_fails_gives_way_to_the_version_before_it(context: Context, approve: Approve) -> None:
    approve(1, "")
    approve(2, "fp32")
    assert deploy(context).version == 2
    record = deploy(changed(context))
    assert (record.outcome, record.version, record.verdict.outcome) == ("reverted", 1, "reject")
    assert [event.traffic for event in record.events] == [{"1": 100}], "at no moment was there none"
    status = context.target.status()
    assert (status.traffic, list(status.deployments)) == ({1: 100}, [1])
    assert (tag(context, 1), tag(context, 2)) == (APPROVED, REVOKED)
    assert deploy(changed(context)).outcome == "unchanged"


def test_what_does_not_start_as_the_stage_file_has_it_by_now_is_not_revoked(context: Context, approve: Approve) -> None:
    for number in (1, 2):
        approve(number, "")
    assert deploy(context).version == 2
    wanting = Context(replace(context.stage, release=Release("fp16", (20, 100), QUICK)), context.run / "fp16", print)
    record = deploy(wanting)
    assert (record.outcome, record.version, record.verdict.outcome) == ("reverted", 2, "error")
    assert (context.target.status().traffic, tag(context, 2)) == ({2: 100}, APPROVED)
    assert deploy(context).outcome == "unchanged", "int8 serves, as it did before"


def test_where_no_other_is_approved_what_serves_goes_on_and_nobody_is_revoked(
    context: Context, approve: Approve
) -> None:
    approve(1, "fp32")
    assert deploy(context).version == 1
    with pytest.raises(TargetError, match="failed .* and serves on, for no other one is approved: take back what"):
        deploy(changed(context))
    assert (context.target.status().traffic, tag(context, 1)) == ({1: 100}, APPROVED)
    assert deploy(context).outcome == "served", "the change was taken back"


def test_a_version_that_fails_after_its_release_was_killed_gives_the_traffic_back(
    context: Context, approve: Approve
) -> None:
    approve(1, "")
    assert deploy(context).version == 1
    package = approve(2, "int8")
    context.target.deploy(Deployment(context.stage.model, 2, package_digest(package), package, "int8"))
    context.target.set_traffic({2: 100})  # and here it was killed
    record = deploy(context)
    assert (record.outcome, record.version) == ("reverted", 1)
    assert [event.traffic for event in record.events] == [{"1": 100}]
    assert (context.target.status().traffic, list(context.target.status().deployments)) == ({1: 100}, [1])
    assert (tag(context, 1), tag(context, 2)) == (APPROVED, REVOKED)


@pytest.mark.parametrize("says", [REVOKED, APPROVED])
def test_who_comes_after_a_version_that_is_to_be_left_or_has_failed_is_not_held_up_by_its_probes(
    says: str, context: Context, approve: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(1, "")
    assert deploy(context).version == 1
    approve(2, "")
    context.registry.set_tag(context.stage.model, 1, "production", says)
    probed: list[list[int]] = []

    def probe(deployments: list[DeploymentStatus], golden: Golden, requests: int) -> list[Probes]:
        probed.append([one.version for one in deployments])
        return probe_in_turn(deployments, golden, requests)

    monkeypatch.setattr(rollout, "probe_in_turn", probe)
    if says == APPROVED:
        object.__setattr__(context, "target", Failing(context.target, 1))
    assert deploy(context).version == 2
    assert probed and set(map(tuple, probed)) == {(2,)}
