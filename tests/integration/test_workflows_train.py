"""GitHub's workflow for training, run by act from events: real training of a small network on images made here.

Of the repository's copy only the data differs, as a user would change it: src/vision/data.py and the stage files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow_runs import WORKFLOWS, CodeRepository, bring_stripes

from mlops.records import RegisterRecord, read_record, stage_tag

pytestmark = [
    pytest.mark.skipif(not WORKFLOWS.exists(), reason="this project keeps no pipelines on GitHub"),
    pytest.mark.timeout(900),
]
thorough = pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes a minute: make test-pipelines")
SMALL = {"epochs": 1, "width": 4, "batch_size": 64}
WORSE = {"epochs": 1, "width": 1, "batch_size": 2048}
TRAINED = {"preflight": "success", "publish": "success", "submit": "success", "verdict": "success"}
SKIPPED = {name: "skipped" for name in TRAINED}


@pytest.fixture
def repository(own_platform: Path) -> Iterator[CodeRepository]:
    """A repository that trains on stripes and tells GitHub the verdict."""
    made = CodeRepository(own_platform / "github")
    bring_stripes(made)
    made.set_stage("base", train=SMALL, report="github")
    yield made
    made.host.close()


@pytest.mark.parametrize("event", ["push.main", "pull_request.labeled"])
def test_other_branches_and_strangers_labels_train_nothing(repository: CodeRepository, event: str) -> None:
    repository.push("refs/heads/main")
    assert repository.run("train", event, run="101").results == SKIPPED


@thorough
def test_a_push_to_dev_registers_a_model_and_tells_the_verdict_as_a_check(repository: CodeRepository) -> None:
    repository.push("refs/heads/dev")
    ended = repository.run("train", "push.dev", run="101")
    assert ended.results == TRAINED, ended.said
    (version,) = repository.versions("101").values()
    assert (version.version, stage_tag(version, "dev")) == (1, "approved")
    record = read_record(repository.kept("101", "runs") / "101", "register", RegisterRecord)
    assert (record.version, record.verdict.outcome) == (1, "promote")
    assert [conclusion for conclusion, _ in repository.host.shown] == ["success"]


@thorough
def test_a_model_that_the_gate_rejects_is_registered_nowhere_and_the_check_says_why(repository: CodeRepository) -> None:
    repository.set_stage("base", train=WORSE)
    repository.push("refs/heads/dev")
    ended = repository.run("train", "push.dev", run="101")
    assert ended.results == TRAINED, ended.said
    assert repository.versions("101") == {}
    record = read_record(repository.kept("101", "runs") / "101", "register", RegisterRecord)
    assert (record.version, record.verdict.outcome) == (None, "reject")
    ((conclusion, words),) = repository.host.shown
    assert conclusion == "failure" and "floor" in json.dumps(words)
