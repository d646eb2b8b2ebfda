"""GitHub's workflows on (a fake of) Azure ML, run by act from events: three workspaces, a shared registry, no home.

What the training job does on its nodes stands in for itself, but for the registration, which is the real one.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure_life import MODEL, work_on, write_places
from azurefake.jobs import plan
from azurefake.state import CLIENT, SUBSCRIPTION, TENANT, Azure
from workflow_runs import WORKFLOWS, CodeRepository, bring_stripes
from trainings import trained

from mlops.config import load_stage
from mlops.context import Context
from mlops.records import RegisterRecord, SubmittedRecord, read_record, stage_tag
from mlops.steps.register import register

pytestmark = [
    pytest.mark.skipif(not WORKFLOWS.exists(), reason="this project keeps no pipelines on GitHub"),
    pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes minutes: make test-pipelines"),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True)
class Cloud:
    """A repository whose stages are on a fake Azure, and that Azure."""

    azure: Azure
    repository: CodeRepository

    def at(self, stage: str) -> Context:
        """Return a stage as a person would look at it."""
        return Context(load_stage(stage), self.repository.root / "looking", lambda line: None)

    def tags(self, stage: str) -> dict[int, str | None]:
        """Return what each version in a stage's registry is in that stage."""
        versions = self.at(stage).registry.versions(MODEL)
        return {number: stage_tag(one, stage) for number, one in versions.items()}


@pytest.fixture
def cloud(azure: Azure, own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    names = {"AZURE_CLIENT_ID": CLIENT, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION, "AZURE_TENANT_ID": TENANT}
    made = CodeRepository(own_platform / "github", {**names, "VISIONLINE_PLATFORM": "azureml"}, {**azure.environment()})
    write_places(azure, own_platform)
    monkeypatch.setenv("VISIONLINE_STAGES", str(own_platform / "stages"))
    shutil.copytree(own_platform / "stages", made.checkout / "mlops" / "stages", dirs_exist_ok=True)
    bring_stripes(made)
    made.push("refs/heads/dev", "refs/heads/qa", "refs/heads/main")
    yield Cloud(azure, made)
    made.host.close()


def test_a_version_of_dev_gets_into_qa_and_from_there_into_production(cloud: Cloud, own_platform: Path) -> None:
    register(cloud.at("dev"), trained(own_platform / "model1", 1, cloud.at("dev")))
    for event, run, stage in (("push.qa", "101", "qa"), ("push.main", "102", "production")):
        ended = cloud.repository.run("release", event, run)
        assert ended.results == {"candidate": "success", "release": "success", "gate": "success"}, ended.said
        assert cloud.tags(stage) == {1: "approved"}
        assert cloud.at(stage).target.status().traffic == {1: 100}
        assert not cloud.repository.kept(run, "home").exists()


@contextmanager
def nodes(cloud: Cloud, folder: Path) -> Iterator[None]:
    """Let the training job come to its registration while the block runs, and do that as its nodes do."""
    worker = threading.Thread(target=work_on, args=(cloud.azure, 1, folder))
    worker.start()
    try:
        yield
    finally:
        worker.join()


def test_a_training_is_submitted_waited_for_and_registered_in_dev(cloud: Cloud, own_platform: Path) -> None:
    plan(cloud.azure).held = "register"
    with nodes(cloud, own_platform):
        ended = cloud.repository.run("train", "push.dev", "101")
    assert set(ended.results.values()) == {"success"}, ended.said
    assert cloud.tags("dev") == {1: "approved"}


def test_a_training_that_nobody_waits_for_is_registered_by_a_later_run(cloud: Cloud, own_platform: Path) -> None:
    plan(cloud.azure).held = "register"
    ended = cloud.repository.run("train", "workflow_dispatch.train", "101")
    assert ended.results["submit"] == "success" and ended.results["verdict"] == "skipped", ended.said
    submitted = read_record(cloud.repository.kept("101", "runs") / "101", "submitted", SubmittedRecord)
    with nodes(cloud, own_platform):
        ended = cloud.repository.run("register", "workflow_dispatch.register", "102", job=submitted.job)
    assert set(ended.results.values()) == {"success"}, ended.said
    assert read_record(cloud.repository.kept("102", "runs") / "102", "register", RegisterRecord).version == 1
