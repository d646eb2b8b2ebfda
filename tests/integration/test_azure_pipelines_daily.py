"""Azure's pipelines that nobody waits for, held to the same ends as GitHub's: monitor, batch-score and infra."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_runs import connect
from pipeline_trees.agent import AzureRepository
from pipeline_trees.files import AZURE, ROOT
from test_workflows_daily import (  # noqa: F401 - the same tests, on this file's repository
    begun,
    stubbed,
    test_a_forks_pull_request_is_not_planned,
    test_a_pull_request_that_changes_infra_is_planned_in_a_comment,
    test_a_push_to_main_plans_each_stage_and_applies_what_was_planned,
    test_as_cloned_a_batch_of_images_is_scored_by_what_production_serves,
    test_the_monitor_opens_an_issue_where_what_is_approved_does_not_serve,
)

pytestmark = [
    pytest.mark.skipif(not (ROOT / AZURE).exists(), reason="this project keeps no pipelines on Azure DevOps"),
    pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes minutes: make test-pipelines"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def repository(own_platform: Path) -> Iterator[AzureRepository]:
    """A repository with images, whose stages report to Azure DevOps."""
    made = AzureRepository(own_platform / "azure")
    connect(made)
    yield from begun(made, "azure-devops")  # type: ignore[misc]
