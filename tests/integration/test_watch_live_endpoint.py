"""A real endpoint is rehearsed and watched: a drill leaves it as it is, a monitor sees it well, and sees it gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from model_packages import make_package
from registries import give_database
from submissions import options

from mlops import approval
from mlops.adapters.local.stop import stop_endpoints
from mlops.config import Release, Verify, load_stage
from mlops.context import Context
from mlops.names import APPROVED
from mlops.records import PromoteRecord, RuleResult, Verdict, write_record
from mlops.steps import approval as approving
from mlops.steps import rollback
from mlops.steps.deploy import deploy
from mlops.watching import Limits, Watch, look

QUICK = Verify(requests=3, bake_seconds=0, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1000.0)
LIMITS = Limits(hours=24.0, psi=0.2, errors=0.01)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """Production with versions 1 and 2 approved, of which 2 serves."""
    home = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLINE_HOME", str(home / "home"))
        stage = replace(load_stage("production"), release=Release("int8", (100,), QUICK))
        context = Context(stage, home / "run", lambda line: None)
        give_database(stage.home)
        for number in (1, 2):
            package = make_package(home / f"package-{number}", version_bias=number / 10)
            context.registry.register(stage.model, package, {})
            context.registry.set_tag(stage.model, number, stage.name, APPROVED)
        deploy(context)
        yield context
        stop_endpoints(stage.home)


@pytest.fixture(autouse=True)
def same_home(live: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test see the home that the endpoint was started in."""
    monkeypatch.setenv("VISIONLINE_HOME", str(live.run.parent / "home"))


def watched(context: Context) -> Watch:
    return look(context, lambda: [], [], LIMITS)


def test_a_drill_works_and_leaves_the_endpoint_as_it_is(live: Context) -> None:
    before = live.target.status(), live.registry.versions(live.stage.model)
    assert rollback.run(live, options(rollback, "--reason", "drill", "--drill")) == 0
    assert (live.target.status(), live.registry.versions(live.stage.model)) == before


def test_an_endpoint_that_is_well_is_no_finding(live: Context) -> None:
    assert watched(live) == Watch((), ("preflight", "health", "trainings"))


def test_who_approves_sees_what_the_endpoint_serves(live: Context) -> None:
    third = live.registry.register(
        live.stage.model, make_package(live.run.parent / "package-3", 0.3, accuracy=0.95), {}
    )
    verdict = Verdict("promote", "all pass", (RuleResult("floor", "promote", "fine"),))
    write_record(live.run, "promote.production", PromoteRecord("production", 3, third.digest, 2, verdict))
    page = approving.page_of(live)
    assert "| version | 3 | 2 |" in page and "| accuracy | 0.9500 | 0.9200 | +0.0300 |" in page
    assert approval.OTHER_TEST_SET not in page


def test_another_variant_in_the_stage_file_is_released_by_the_next_deploy(live: Context) -> None:
    later = Context(replace(live.stage, release=Release("fp32", (100,), QUICK)), live.run / "fp32", lambda line: None)
    for context, other in ((later, live), (live, later)):
        assert other.target.status().deployments[2].is_current
        assert not context.target.status().deployments[2].is_current
        again = Context(context.stage, context.run.parent / f"to-{context.stage.release.variant}", lambda line: None)
        assert deploy(again).outcome == "served"
        assert context.target.status().deployments[2].is_current
    assert live.target.status().traffic == {2: 100}


def test_an_endpoint_that_serves_another_version_or_is_gone_is_a_finding(live: Context) -> None:
    live.registry.set_tag(live.stage.model, 3, live.stage.name, APPROVED)
    (found,) = watched(live).findings
    assert found.key == "visionline/production/health/answer" and "version 3 is not deployed" in found.details[0]
    live.registry.remove_tag(live.stage.model, 3, live.stage.name)
    assert watched(live).findings == ()
    stop_endpoints(live.stage.home)
    assert [one.area for one in watched(live).findings] == ["health"]
    drill = rollback.rehearse(live)
    assert drill.works, "a rollback starts it"
    assert [(one.check, one.state) for one in drill.lines if one.state != "ok"] == [("target", "warning")]
