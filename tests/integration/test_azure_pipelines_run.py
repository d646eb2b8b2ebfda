"""Azure's pipelines, expanded and run step by step from the same events as GitHub's, and held to the same ends.

`make test` runs what lets a version in and what keeps one out; `make test-pipelines` all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_trees.agent import AzureRepository
from pipeline_trees.files import AZURE, ROOT
from test_workflows_release import (  # noqa: F401 - the same tests, on this file's repository
    keep,
    register,
    state_of_two,
    tags,
    test_a_canary_that_fails_gives_the_traffic_back_and_revokes_its_version,
    test_a_drill_changes_nothing,
    test_a_push_to_qa_releases_the_version_of_dev,
    test_a_rollback_serves_the_version_before,
    test_a_worse_version_is_held_back_before_anyone_is_asked,
    test_the_version_that_qa_tested_gets_into_production_by_a_canary,
    thorough,
)
from registries import give_database

from mlops.adapters.local.stop import stop_endpoints

pytestmark = [
    pytest.mark.skipif(not (ROOT / AZURE).exists(), reason="this project keeps no pipelines on Azure DevOps"),
    pytest.mark.timeout(900),
]


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


def test_a_release_that_people_do_not_agree_to_lets_nothing_in(repository: AzureRepository) -> None:
    register(repository)
    keep(repository)
    repository.rejected.add("qa")
    ended = repository.run("release", "push.qa", run="101")
    assert ended.results == {"candidate": "success", "release": "skipped", "gate": "failure"}, ended.said
    assert not repository.kept("101", "home").exists() and not (repository.home / "endpoints" / "qa").exists()
