"""Azure's pipelines, expanded and run step by step from the same events as GitHub's, and held to the same ends.

`make test` runs what lets a version in and what keeps one out; `make test-pipelines` all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_trees.agent import AzureRepository
from pipeline_trees.files import AZURE, ROOT
from registries import give_database
from test_workflows_release import (  # noqa: F401 - the same tests, on this file's repository
    keep,
    register,
    test_a_drill_changes_nothing,
    test_a_push_to_qa_releases_the_version_of_dev,
    test_a_rollback_serves_the_version_before,
    test_a_version_that_is_not_verified_after_its_release_is_left,
    test_a_worse_version_is_held_back_before_anyone_is_asked,
    test_by_one_branch_a_push_to_another_releases_nothing_and_a_tag_does,
    test_the_version_that_qa_tested_gets_into_production_by_a_canary,
    thorough,
)
from test_workflows_release import test_a_canary_that_fails_gives_the_traffic_back_and_revokes_its_version as canary
from workflow_runs import bring_stripes

from mlops.adapters.local.stop import stop_endpoints
from mlops.records import RegisterRecord, read_record, stage_tag

pytestmark = [
    pytest.mark.skipif(not (ROOT / AZURE).exists(), reason="this project keeps no pipelines on Azure DevOps"),
    pytest.mark.timeout(900),
]
SMALL = {"epochs": 1, "width": 4, "batch_size": 64}
WORSE = {"epochs": 1, "width": 1, "batch_size": 2048}
TRAINED = dict.fromkeys(("preflight", "publish", "submit", "verdict"), "success")
CHECKED = ("lint", "unit", "contract", "template", "sample-training", "changes", "gate")
# Stands for make, whose targets have tests of their own: it notes what it is asked for, and fails where it should.
MAKE = """#!/bin/sh
echo "asked to make $1"
test "$1" != "$MAKE_FAILS"
"""


@pytest.fixture
def repository(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureRepository]:
    """A repository whose canaries wait for two seconds at each step, and blame no busy machine."""
    made = AzureRepository(own_platform / "azure")
    monkeypatch.setenv("VISIONLINE_HOME", str(made.home))
    for stage in ("qa", "production"):
        made.set_stage(stage, release={"verify": {"requests": 2, "bake_seconds": 2, "max_latency_ratio": 1e6}})
    made.push("refs/heads/dev", "refs/heads/qa", "refs/heads/main", "refs/tags/qa/1")
    give_database(made.home)
    yield made
    stop_endpoints(made.home)
    made.host.close()


@thorough
def test_a_canary_that_fails_gives_the_traffic_back(repository: AzureRepository) -> None:
    canary(repository)


def test_a_release_that_people_do_not_agree_to_lets_nothing_in(repository: AzureRepository) -> None:
    register(repository)
    keep(repository)
    repository.rejected.add("qa")
    ended = repository.run("release", "push.qa", run="101")
    assert ended.results == {"candidate": "success", "release": "skipped", "gate": "failure"}, ended.said
    assert not repository.kept("101", "home").exists() and not (repository.home / "endpoints" / "qa").exists()


@pytest.fixture
def trainer(own_platform: Path) -> Iterator[AzureRepository]:
    """A repository that trains on stripes and tells Azure DevOps the verdict."""
    made = AzureRepository(own_platform / "azure")
    bring_stripes(made)
    made.set_stage("base", train=SMALL, report="azure-devops")
    make = made.root / "machine" / "make"
    make.write_text(MAKE)
    make.chmod(0o755)
    yield made
    made.host.close()


def test_another_branch_than_the_ways_trains_nothing(trainer: AzureRepository) -> None:
    trainer.push("refs/heads/main")
    assert trainer.run("train", "push.main", run="101").results == dict.fromkeys(TRAINED, "skipped")


@thorough
def test_a_push_to_dev_registers_a_model_and_gives_the_commit_a_status(trainer: AzureRepository) -> None:
    trainer.push("refs/heads/dev")
    ended = trainer.run("train", "push.dev", run="101")
    assert ended.results == TRAINED, ended.said
    (version,) = trainer.versions("101").values()
    assert (version.version, stage_tag(version, "dev")) == (1, "approved")
    record = read_record(trainer.kept("101", "runs") / "101", "register", RegisterRecord)
    assert (record.version, record.verdict.outcome) == (1, "promote")
    assert [state for state, _ in trainer.host.shown] == ["succeeded"]


@thorough
def test_a_model_that_the_gate_rejects_is_registered_nowhere_and_the_status_says_so(trainer: AzureRepository) -> None:
    trainer.set_stage("base", train=WORSE)
    trainer.push("refs/heads/dev")
    ended = trainer.run("train", "push.dev", run="101")
    assert ended.results == TRAINED, ended.said
    assert trainer.versions("101") == {}
    record = read_record(trainer.kept("101", "runs") / "101", "register", RegisterRecord)
    assert (record.version, record.verdict.outcome) == (None, "reject")
    assert [state for state, _ in trainer.host.shown] == ["failed"]


@thorough
def test_a_pull_request_that_keeps_all_rules_passes(trainer: AzureRepository) -> None:
    trainer.push("refs/pull/12/merge")
    ended = trainer.run("build-validation", "pull_request.opened", run="101")
    assert ended.results == {**dict.fromkeys(CHECKED, "success"), "infra": "skipped"}, ended.said


@thorough
def test_one_check_of_a_pull_request_that_fails_fails_the_gate(trainer: AzureRepository) -> None:
    trainer.environment["MAKE_FAILS"] = "contract"
    trainer.push("refs/pull/12/merge")
    ended = trainer.run("build-validation", "pull_request.opened", run="101")
    passed = {**dict.fromkeys(CHECKED, "success"), "infra": "skipped"}  # as cloned there is nothing to plan
    assert ended.results == {**passed, "contract": "failure", "gate": "failure"}, ended.said
    assert "unit: asked to make unit" in ended.said and not (trainer.root / "artifacts" / "101").exists()
