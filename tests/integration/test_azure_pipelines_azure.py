"""Azure's pipelines on (a fake of) Azure ML, by service connections, held to the same ends as GitHub's workflows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_runs import Cloud, connect, in_the_cloud
from azurefake.state import Azure
from pipeline_trees.agent import AzureRepository
from pipeline_trees.files import AZURE, ROOT
from test_workflows_azure import (  # noqa: F401 - the same tests, on this file's repository
    test_a_batch_of_images_is_scored_by_the_batch_endpoint,
    test_a_canary_that_fails_gives_the_traffic_back_and_revokes_its_version,
    test_a_rollback_serves_the_version_before,
    test_a_run_that_is_cancelled_cancels_its_job_and_registers_nothing,
    test_a_training_is_submitted_waited_for_and_registered_in_dev,
    test_a_training_that_nobody_waits_for_is_registered_by_a_later_run,
    test_a_version_of_dev_gets_into_qa_and_from_there_into_production,
    test_a_worse_version_is_held_back_and_no_endpoint_is_made,
)

pytestmark = [
    pytest.mark.skipif(not (ROOT / AZURE).exists(), reason="this project keeps no pipelines on Azure DevOps"),
    pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes minutes: make test-pipelines"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def cloud(azure: Azure, own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    repository = AzureRepository(own_platform / "azure")
    connect(repository)
    yield in_the_cloud(azure, repository, own_platform, monkeypatch)
    repository.host.close()
