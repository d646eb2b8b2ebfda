"""The newest state that a trusted run kept is found at both hosts, and nothing that a stranger's run may have kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from code_hosts import AzureDevOpsHost, Call, GitHubHost, Reply

from mlops.adapters.azuredevops.kept import AzureDevOpsArtifacts
from mlops.adapters.github.kept import GitHubArtifacts
from mlops.branches import is_stages_own
from mlops.errors import ConfigError
from mlops.kept import Kept
from mlops.records import Origin


class GitHub(GitHubHost):
    """Answers the artifacts of a name as the test lays them down."""

    def __init__(self) -> None:
        super().__init__()
        self.artifacts: list[dict[str, Any]] = []
        self.routes.append(("GET", r"/repos/octo/camera/actions/artifacts", self.list_artifacts))

    def keep(self, number: int, branch: str, at: str, repository: int = 1, expired: bool = False) -> None:
        run = {"id": number, "head_branch": branch, "repository_id": 1, "head_repository_id": repository}
        made = {"id": number * 10, "name": "home", "expired": expired, "created_at": f"2026-01-01T00:{at}:00Z"}
        self.artifacts.append({**made, "workflow_run": run})

    def list_artifacts(self, call: Call) -> Reply:
        found = [one for one in self.artifacts if one["name"] == call.query["name"]]
        return Reply(200, {"total_count": len(found), "artifacts": found})

    def find(self) -> Kept | None:
        origin = Origin("github", self.url, "octo/camera", "", "c0ffee", None, "77", None)
        return GitHubArtifacts().newest("home", origin, is_stages_own)


class AzureDevOps(AzureDevOpsHost):
    """Answers builds by tag, and their artifacts, as the test lays them down."""

    def __init__(self) -> None:
        super().__init__()
        self.logins = {"Bearer ours"}
        self.builds: list[dict[str, Any]] = []
        self.empty: set[int] = set()
        build = "/org/edge cameras/_apis/build/builds"
        self.routes.append(("GET", build, self.list_builds))
        self.routes.append(("GET", rf"{build}/(?P<number>\d+)/artifacts", self.list_artifacts))

    def keep(self, number: int, branch: str, at: str, repository: int = 1, expired: bool = False) -> None:
        head = f"refs/heads/{branch}" if repository == 1 else f"refs/pull/{number}/merge"
        tags = ["home", f"home-2026010100{at}00"]
        self.builds.insert(0, {"id": number, "definition": {"id": 5}, "sourceBranch": head, "tags": tags})
        self.empty |= {number} if expired else set()

    def list_builds(self, call: Call) -> Reply:
        return self._page([one for one in self.builds if call.query["tagFilters"] in one["tags"]])

    def list_artifacts(self, call: Call, number: str) -> Reply:
        return self._page([] if int(number) in self.empty else [{"id": 1, "name": "home"}])

    def find(self) -> Kept | None:
        origin = Origin("azure-devops", f"{self.url}/org/", "repo", "edge cameras", "c0ffee", None, "77", None)
        return AzureDevOpsArtifacts().newest("home", origin, is_stages_own)


@pytest.fixture(params=[GitHub, AzureDevOps])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub | AzureDevOps]:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_workflow")
    monkeypatch.setenv("SYSTEM_ACCESSTOKEN", "ours")
    made = request.param()
    yield made
    made.close()


def found_run(host: GitHub | AzureDevOps) -> str | None:
    kept = host.find()
    return kept.run if kept else None


def test_at_first_there_is_none(host: GitHub | AzureDevOps) -> None:
    assert host.find() is None


def test_the_last_one_kept_counts_whichever_run_began_last(host: GitHub | AzureDevOps) -> None:
    host.keep(1, "qa", at="30")
    host.keep(2, "dev", at="20")
    assert found_run(host) == "1"


def test_a_strangers_or_anothers_branch_is_passed_over(host: GitHub | AzureDevOps) -> None:
    host.keep(1, "main", at="10")
    host.keep(2, "main", at="20", repository=2)
    host.keep(3, "my-feature", at="30")
    assert found_run(host) == "1"


def test_this_runs_own_counts_whatever_its_branch(host: GitHub | AzureDevOps) -> None:
    host.keep(1, "main", at="10")
    host.keep(77, "my-feature", at="20")
    assert found_run(host) == "77"


def test_what_is_gone_is_passed_over(host: GitHub | AzureDevOps) -> None:
    host.keep(1, "main", at="10")
    host.keep(2, "main", at="20", expired=True)
    assert found_run(host) == "1"


def test_kept_again_by_the_same_run_it_has_another_mark(host: GitHub | AzureDevOps) -> None:
    host.keep(1, "main", at="10")
    first = host.find()
    host.keep(2, "main", at="20")
    second = host.find()
    assert first and second and first.mark != second.mark


def test_without_a_token_it_says_which(host: GitHub | AzureDevOps, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "SYSTEM_ACCESSTOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="GITHUB_TOKEN|SYSTEM_ACCESSTOKEN"):
        host.find()


@pytest.mark.parametrize("name, trusted", [("dev", True), ("qa", True), ("main", True), ("qa/3", True), ("x", False)])
def test_branches_and_release_tags_of_stages_are_trusted(name: str, trusted: bool) -> None:
    assert is_stages_own(name) is trusted
