"""GitHub's checks of a pull request, run by act: its jobs run `make` and train a sample, and one gate counts them.

Each job runs its own commands, on a repository that has but a few of this one's tests, whose types are checked in one
package, and whose data is small. `make test-pipelines` runs them; they take minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow_runs import WORKFLOWS, CodeRepository, bring_stripes

pytestmark = [
    pytest.mark.skipif(not WORKFLOWS.exists(), reason="this project keeps no pipelines on GitHub"),
    pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes minutes: make test-pipelines"),
    pytest.mark.timeout(1800),
]
KEPT = {"unit/test_traffic.py", "contract/test_notifier_contract.py", "template/test_package_metadata.py"}
JOBS = ("lint", "unit", "contract", "template", "sample-training", "changes", "gate")
PASSED = {**dict.fromkeys(JOBS, "success"), "infra": "skipped"}  # as cloned there is nothing to plan


@pytest.fixture
def repository(own_platform: Path) -> Iterator[CodeRepository]:
    """A repository like this one, with three files of tests."""
    made = CodeRepository(own_platform / "github")
    for name in ("tests", "benchmarks", "README.md", "CHANGELOG.md", "LICENSE", ".yamllint"):
        made.add(name)
    for path in (made.checkout / "tests").glob("*/test_*.py"):
        if f"{path.parent.name}/{path.name}" not in KEPT:
            path.unlink()
    settings = made.checkout / "setup.cfg"
    text = settings.read_text(encoding="utf-8")
    assert "packages = mlops,modelpackage,serving,vision" in text
    settings.write_text(text.replace("packages = mlops,modelpackage,serving,vision", "packages = modelpackage"))
    bring_stripes(made)
    made.set_stage("base", train={"width": 4, "batch_size": 64})
    yield made
    made.host.close()


def test_a_pull_request_that_keeps_all_rules_passes(repository: CodeRepository) -> None:
    repository.push("refs/pull/12/merge")
    ended = repository.run("build-validation", "pull_request.opened", run="101")
    assert ended.results == PASSED, ended.said
    assert not (repository.root / "artifacts" / "101").exists()


def test_one_job_that_fails_fails_the_gate(repository: CodeRepository) -> None:
    planted = repository.checkout / "tests" / "unit" / "test_planted.py"
    planted.write_text('"""Fails."""\n\n\ndef test_that_fails() -> None:\n    assert not __name__\n')
    for name in ("contract/test_notifier_contract.py", "template/test_package_metadata.py"):
        (repository.checkout / "tests" / name).write_text('"""Nothing."""\n\n\ndef test_nothing() -> None: ...\n')
    repository.push("refs/pull/12/merge")
    ended = repository.run("build-validation", "pull_request.opened", run="101")
    assert ended.results == {**PASSED, "unit": "failure", "gate": "failure"}, ended.said
    assert "test_that_fails" in ended.said
