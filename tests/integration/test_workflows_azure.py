"""GitHub's workflows on (a fake of) Azure ML, run by act from events: three workspaces, a shared registry, no home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_life import BATCH_STAGES, at_batch
from azure_runs import IDENTITY, Cloud, cancelled_once_it_trains, in_the_cloud, nodes
from azurefake.jobs import plan
from azurefake.scoring import break_down
from azurefake.state import Azure
from workflow_runs import WORKFLOWS, CodeRepository

from mlops.cli import main
from mlops.records import DeployRecord, PromoteRecord, RegisterRecord, ScoreRecord, SubmittedRecord, read_record

pytestmark = [
    pytest.mark.skipif(not WORKFLOWS.exists(), reason="this project keeps no pipelines on GitHub"),
    pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes minutes: make test-pipelines"),
    pytest.mark.timeout(900),
]
RELEASED = {"candidate": "success", "release": "success", "gate": "success"}


@pytest.fixture
def cloud(azure: Azure, own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    repository = CodeRepository(own_platform / "github", {**IDENTITY})
    yield in_the_cloud(azure, repository, own_platform, monkeypatch)
    repository.host.close()


def test_a_version_of_dev_gets_into_qa_and_from_there_into_production(cloud: Cloud) -> None:
    cloud.made(1)
    for event, run, stage in (("push.qa", "101", "qa"), ("push.main", "102", "production")):
        ended = cloud.repository.run("release", event, run)
        assert ended.results == RELEASED, ended.said
        assert cloud.tags(stage) == {1: "approved"}
        assert cloud.at(stage).target.status().traffic == {1: 100}
        assert not cloud.repository.kept(run, "home").exists()


def test_a_worse_version_is_held_back_and_no_endpoint_is_made(cloud: Cloud) -> None:
    cloud.made(1, right=81)
    ended = cloud.repository.run("release", "push.qa", "101")
    assert ended.results == {"candidate": "failure", "release": "skipped", "gate": "failure"}, ended.said
    verdict = read_record(cloud.repository.kept("101", "runs") / "101", "promote.qa", PromoteRecord).verdict
    assert verdict.outcome == "reject" and "0.82" in verdict.reason
    assert cloud.tags("qa") == {} and cloud.at("qa").target.status().traffic == {}


def test_a_canary_that_fails_gives_the_traffic_back_and_revokes_its_version(cloud: Cloud) -> None:
    cloud.made(1, "qa", "production")
    cloud.made(2, "qa")
    break_down(cloud.azure, "v02", every=2)
    ended = cloud.repository.run("release", "push.main", "101")
    assert ended.results == {"candidate": "success", "release": "failure", "gate": "failure"}, ended.said
    record = read_record(cloud.repository.kept("101", "runs") / "101", "deploy.production", DeployRecord)
    assert (record.outcome, record.version) == ("reverted", 1)
    assert cloud.tags("production") == {1: "approved", 2: "revoked"}
    assert cloud.at("production").target.status().traffic == {1: 100}


def test_a_rollback_serves_the_version_before(cloud: Cloud) -> None:
    for number in (1, 2):
        cloud.made(number, "qa", "production")
    ended = cloud.repository.run("rollback", "workflow_dispatch.rollback", "101")
    assert set(ended.results.values()) == {"success"}, ended.said
    assert cloud.tags("production") == {1: "approved", 2: "revoked"}
    assert cloud.at("production").target.status().traffic == {1: 100}


def test_a_training_is_submitted_waited_for_and_registered_in_dev(cloud: Cloud, own_platform: Path) -> None:
    plan(cloud.azure).held = "register"
    with nodes(cloud, own_platform):
        ended = cloud.repository.run("train", "push.dev", "101")
    assert set(ended.results.values()) == {"success"}, ended.said
    assert cloud.tags("dev") == {1: "approved"}


def test_a_training_that_nobody_waits_for_is_registered_by_a_later_run(cloud: Cloud, own_platform: Path) -> None:
    plan(cloud.azure).held = "register"
    ended = cloud.repository.run("train", "workflow_dispatch.train", "101")
    # Azure DevOps leaves the job out that GitHub skips.
    assert ended.results["submit"] == "success" and ended.results.get("verdict", "skipped") == "skipped", ended.said
    submitted = read_record(cloud.repository.kept("101", "runs") / "101", "submitted", SubmittedRecord)
    with nodes(cloud, own_platform):
        ended = cloud.repository.run("register", "workflow_dispatch.register", "102", job=submitted.job)
    assert set(ended.results.values()) == {"success"}, ended.said
    assert read_record(cloud.repository.kept("102", "runs") / "102", "register", RegisterRecord).version == 1


def test_a_run_that_is_cancelled_cancels_its_job_and_registers_nothing(cloud: Cloud) -> None:
    with cancelled_once_it_trains(cloud):
        ended = cloud.repository.run("train", "push.dev", "101")
    done = {"preflight": "success", "publish": "success"}
    assert ended.results == {**done, "submit": "failure", "verdict": "skipped"}, ended.said
    ((job, steps),) = plan(cloud.azure).steps.items()
    assert [one.path for one in cloud.azure.sent("POST", f"/jobs/{job.lower()}/cancel")], ended.said
    assert cloud.tags("dev") == {} and "Completed" not in [one.status for one in steps if one.name == "register"]


def test_a_batch_of_images_is_scored_by_the_batch_endpoint(cloud: Cloud, own_platform: Path) -> None:
    cloud.made(1, "qa", "production")
    with at_batch(own_platform):
        assert main(["deploy", "--stage", "production", "--run", "batch"], lambda line: None) == 0
    stages = cloud.repository.checkout / "mlops" / "stages"
    shutil.copy(own_platform / BATCH_STAGES / "production.yaml", stages)
    cloud.repository.push("refs/heads/main")
    ended = cloud.repository.run("batch-score", "workflow_dispatch.score", "101")
    assert ended.results == {"score": "success"}, ended.said
    record = read_record(cloud.repository.kept("101", "runs") / "101", "score.production", ScoreRecord)
    assert (record.version, record.files, record.failed, record.data.name) == (1, 500, 0, "stripes-images")
