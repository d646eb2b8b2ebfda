"""GitHub's workflows that nobody waits for, run by act from events: monitor, batch-score and infra.

infra runs by Terraform, whose providers are stubs and whose state is a file: nothing is asked of Azure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_runs import IDENTITY
from infra_stages import KEPT, copied
from providerstub.server import running
from registries import give_database
from test_workflows_release import keep, register
from workflow_runs import WORKFLOWS, CodeRepository, bring_stripes

from mlops.adapters.local.stop import stop_endpoints
from mlops.names import STAGES
from mlops.records import ScoreRecord, read_record
from mlops.steps.deploy import deploy

pytestmark = [
    pytest.mark.skipif(not WORKFLOWS.exists(), reason="this project keeps no pipelines on GitHub"),
    pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes minutes: make test-pipelines"),
    pytest.mark.timeout(900),
]
TERRAFORM = shutil.which("terraform")
# The real one, whose state is not in Azure: it takes no settings of that.
ASKS_NOBODY = f"""#!/bin/bash
for word; do [[ $word == -backend-config=* ]] || words+=("$word"); done
exec {TERRAFORM} "${{words[@]}}"
"""


@pytest.fixture
def repository(own_platform: Path) -> Iterator[CodeRepository]:
    """A repository with images, whose stages report to GitHub."""
    made = CodeRepository(own_platform / "github", {**IDENTITY})
    yield from begun(made, "github")


def begun(made: CodeRepository, report: str) -> Iterator[CodeRepository]:
    """Bring images into a repository, let it report, and clear it away at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLINE_HOME", str(made.home))
        bring_stripes(made)
        made.set_stage("base", report=report)
        made.push("refs/heads/main")
        give_database(made.home)
        yield made
        stop_endpoints(made.home)
        made.host.close()


def test_the_monitor_opens_an_issue_where_what_is_approved_does_not_serve(repository: CodeRepository) -> None:
    register(repository)
    keep(repository)
    ended = repository.run("monitor", "workflow_dispatch.monitor", "101")
    assert set(ended.results.values()) == {"success"}, ended.said
    assert repository.host.open_titles == ["dev: endpoint: answer"], ended.said
    found = [path.name for path in (repository.root / "artifacts" / "101").rglob("monitor.*.json")]
    assert sorted(found) == sorted(f"monitor.{stage}.json" for stage in STAGES)


def test_as_cloned_a_batch_of_images_is_scored_by_what_production_serves(repository: CodeRepository) -> None:
    register(repository, "qa", "production")
    deploy(repository.at("production"))
    keep(repository)
    ended = repository.run("batch-score", "workflow_dispatch.score", "101")
    assert ended.results == {"score": "success"}, ended.said
    runs = repository.kept("101", "runs") / "101"
    record = read_record(runs, "score.production", ScoreRecord)
    assert (record.version, record.files, record.failed) == (1, 500, 0)
    assert record.data.name == "stripes-images" and record.verdict.outcome == "promote"
    rows = [json.loads(line) for line in (runs / "predictions.production.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows[:2]] == ["00000.png", "00001.png"] and len(rows) == 500


@pytest.fixture
def stubbed(repository: CodeRepository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeRepository]:
    """The repository with infra/ on Azure ML by Terraform, whose providers are stubs."""
    repository.variables |= {"VISIONLINE_PLATFORM": "azureml", "VISIONLINE_INFRA": "terraform"}
    (repository.checkout / "infra").mkdir()
    terraform = copied(repository.checkout / "infra") / "terraform"
    for root in ("stage", "shared"):
        (terraform / root / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n', "utf-8")
    (repository.root / "machine" / "terraform").write_text(ASKS_NOBODY, encoding="utf-8")
    (repository.root / "machine" / "terraform").chmod(0o755)
    repository.push("refs/heads/main")
    with running(tmp_path_factory.mktemp("tf")) as found:
        own = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        repository.environment |= {**own, **found}
        yield repository


needs_terraform = pytest.mark.skipif(
    TERRAFORM is None or "terraform" not in KEPT, reason="terraform is not installed, or infra/terraform deleted"
)


def pull_request(repository: CodeRepository) -> None:
    """Change infra/ in a pull request, of whose checks only the plan is run."""
    with (repository.checkout / "infra" / "terraform" / "stage" / "dev.tfvars").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    repository.push("refs/pull/12/merge")
    repository.only = "infra"


@needs_terraform
def test_a_pull_request_that_changes_infra_is_planned_in_a_comment(stubbed: CodeRepository) -> None:
    pull_request(stubbed)
    for run in ("101", "102"):
        ended = stubbed.run("build-validation", "pull_request.trusted", run)
        assert (ended.results["changes"], ended.results["infra"]) == ("success", "success"), ended.said
    (comment,) = stubbed.host.texts
    assert all(stage in comment for stage in STAGES) and "to create" in comment


@needs_terraform
def test_a_forks_pull_request_is_not_planned(stubbed: CodeRepository) -> None:
    pull_request(stubbed)
    ended = stubbed.run("build-validation", "pull_request.opened", "101")
    assert (ended.results["changes"], ended.results["infra"]) == ("success", "skipped"), ended.said
    assert stubbed.host.texts == []


@needs_terraform
def test_a_forks_pull_request_that_changes_infra_does_not_pass(stubbed: CodeRepository) -> None:
    workflow = stubbed.checkout / ".github" / "workflows" / "build-validation.yml"
    text = workflow.read_text(encoding="utf-8")
    for old in ("lint, unit, contract, template, sample-training, ", r"needs\.lint\.(?s:.*?)&& (?=needs\.changes\.)"):
        text, count = re.subn(old, "", text)  # what the gate waits for beside the plan
        assert count == 1
    workflow.write_text(text, encoding="utf-8")
    pull_request(stubbed)
    stubbed.only = "gate"
    ended = stubbed.run("build-validation", "pull_request.opened", "101")
    results = {name: ended.results[name] for name in ("changes", "infra", "gate")}
    assert results == {"changes": "success", "infra": "skipped", "gate": "failure"}, ended.said


@needs_terraform
def test_a_push_to_main_plans_each_stage_and_applies_what_was_planned(stubbed: CodeRepository) -> None:
    ended = stubbed.run("infra", "push.main", "101")
    assert set(ended.results.values()) == {"success"}, ended.said
    kept = stubbed.root / "artifacts" / "101"
    for stage in STAGES:
        (outputs,) = kept.rglob(f"{stage}.outputs.json")
        assert "workspace" in json.loads(outputs.read_text())
        assert "to create" in next(kept.rglob(f"{stage}.md")).read_text()
    # Whoever may read the repository may fetch what its runs keep: nothing of a plan or a state is among it.
    names = {path.name.partition(".")[2] for path in kept.rglob("*") if path.is_file()}
    assert names == {"md", "sha256", "outputs.json"}
