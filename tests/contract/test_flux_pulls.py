"""A release by pull requests at GitHub and Azure DevOps: opened once, found again, and told what has become of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import images_of_digest
from code_hosts import Drop, Reply
from flux_stages import be_quick, flux_stage
from gitserver import TOKEN, GitServer, running_git_server
from model_packages import MODEL
from pull_hosts import AzureDevOpsPullHost, GitHubPullHost

from mlops.adapters.flux import pulls as pulls_module
from mlops.adapters.flux import commits
from mlops.adapters.flux.pulls import open_pulls
from mlops.adapters.flux.target import open_target
from mlops.errors import BusyError, ConfigError, StepError, TargetError
from mlops.ports import Deployment, DeployTarget

DIGEST = f"sha256:{'1' * 64}"
ONE = Deployment(MODEL, 1, DIGEST, Path("unread"), "int8", images_of_digest(DIGEST))


class Place:
    """A code host and a stage whose releases it asks people about; nobody looks at a cluster."""

    def __init__(self, kind: str, host: Any, server: GitServer) -> None:
        self.host, self.server = host, server
        stage = flux_stage(server.url, policy="pull-request", host=kind, wait=False)
        self.stage = replace(stage, kubernetes=replace(stage.kubernetes, rollout_seconds=0))

    @property
    def target(self) -> DeployTarget:
        """Return the target as a new process would open it."""
        return open_target(self.stage)

    def ask(self, work: Callable[[], object] | None = None) -> str:
        """Do what needs a pull request and return what is said of it."""
        with pytest.raises(StepError) as caught:
            (work or (lambda: self.target.deploy(ONE)))()
        assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)
        assert isinstance(caught.value, BusyError | TargetError)
        return str(caught.value)


@pytest.fixture(params=["github", "azure-devops"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    be_quick(monkeypatch)
    with running_git_server(tmp_path / "git") as server:
        host = GitHubPullHost(server) if request.param == "github" else AzureDevOpsPullHost(server)
        into = "https://github.com/team/clusters.git"
        if request.param == "azure-devops":
            into = f"{host.url}/org/edge%20cameras/_git/clusters"
        else:
            monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
            monkeypatch.setenv("GITHUB_API_URL", host.url)
        # git pushes to one server on loopback, and pull requests are asked for at another.
        opened = pulls_module.open_pulls
        monkeypatch.setattr(commits, "open_pulls", lambda kind, url, token, branch: opened(kind, into, token, branch))
        yield Place(request.param, host, server)
        host.close()


def test_a_release_opens_a_pull_request_and_says_that_it_waits(place: Place) -> None:
    said = place.ask()
    assert said.startswith("production: pull request 1 (http") and said.endswith("waits: merge it, then run again")
    (pull,) = place.host.pulls
    assert pull["title"] == f"production: version 1 of {MODEL}"
    body = pull.get("body") or pull["description"]
    assert f"Version: 1\nDigest: {DIGEST}\n" in body and "Run: " in body
    branch = place.host.branch(1)
    assert branch.startswith("visionline/production/")
    assert "clusters/production/declared.json" in place.server.files(f"refs/heads/{branch}")
    assert not any(path.startswith("clusters/production") for path in place.server.files())


def test_runs_after_it_find_the_same_pull_request(place: Place) -> None:
    first = place.ask()
    place.server.write({"other.txt": "1"}, "Somebody else")
    assert place.ask() == first and len(place.host.pulls) == 1
    assert len([ref for ref in place.server.refs() if "visionline" in ref]) == 1


def test_what_is_merged_is_done_and_the_next_step_asks_anew(place: Place) -> None:
    place.ask()
    place.host.merge(1)
    place.target.deploy(ONE)
    assert place.target.status().deployments[1].state == "declared"
    assert "pull request 2" in place.ask(lambda: place.target.set_traffic({1: 100}))
    place.host.merge(2)
    place.target.set_traffic({1: 100})
    assert place.target.status().traffic == {1: 100} and len(place.host.pulls) == 2


def test_what_somebody_closed_is_not_opened_again(place: Place) -> None:
    place.ask()
    place.host.shut(1)
    assert "was closed without being merged: reopen it, or revoke the version" in place.ask()
    assert len(place.host.pulls) == 1


def test_what_was_merged_once_and_is_wanted_again_gets_a_pull_request_of_its_own(place: Place) -> None:
    for number, work in enumerate((lambda: place.target.deploy(ONE), lambda: place.target.remove(1)) * 2, 1):
        place.ask(work)
        place.host.merge(number)
        work()
    assert place.host.branch(4) == f"{place.host.branch(2)}-2"


def test_a_release_that_was_killed_between_push_and_pull_request_goes_on(place: Place) -> None:
    place.host.faults.append(None)
    place.host.faults.append(Reply(403, {"message": "Resource not accessible"}))
    assert "403 Resource not accessible: the token needs to read and write pull requests" in place.ask()
    place.ask()
    assert len(place.host.pulls) == 1


def test_a_pull_request_whose_answer_got_lost_is_opened_once(place: Place) -> None:
    place.host.faults.extend([None, Drop(handled=True)])
    assert "waits" in place.ask() and len(place.host.pulls) == 1


def test_a_branch_of_that_name_with_other_content_is_told(place: Place) -> None:
    place.ask()
    branch = place.host.branch(1)
    place.host.pulls.clear()
    place.server.write({"clusters/production/declared.json": "{}"}, "Spoilt", f"refs/heads/{branch}")
    assert f"branch {branch} is there already, with other content: delete it" in place.ask()


def test_without_a_token_that_is_said_before_anything_is_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="there is no token: set GITOPS_TOKEN or GITHUB_TOKEN"):
        open_pulls("github", "https://github.com/team/clusters", "", "main")


@pytest.mark.parametrize(
    "host, url, api, place",
    [
        ("github", "https://github.com/team/clusters.git", "https://api.github.com", "team/clusters"),
        ("github", "git@github.com:team/clusters.git", "https://api.github.com", "team/clusters"),
        ("github", "ssh://git@git.corp.example/team/clusters", "https://git.corp.example/api/v3", "team/clusters"),
        (
            "azure-devops",
            "https://dev.azure.com/org/edge%20cameras/_git/clusters",
            "https://dev.azure.com/org/edge%20cameras/_apis",
            "/git/repositories/clusters",
        ),
        (
            "azure-devops",
            "git@ssh.dev.azure.com:v3/org/cameras/clusters",
            "https://dev.azure.com/org/cameras/_apis",
            "/git/repositories/clusters",
        ),
    ],
)
def test_the_host_of_pull_requests_follows_from_the_repositorys_address(
    host: str, url: str, api: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_API_URL", raising=False)
    found = open_pulls(host, url, "token", "main")
    assert (found.api.url, getattr(found, "repository", getattr(found, "place", ""))) == (api, place)


@pytest.mark.parametrize(
    "host, url", [("github", "https://github.com/clusters"), ("azure-devops", "https://dev.azure.com/org/clusters")]
)
def test_an_address_that_is_no_repository_of_its_host_is_refused(host: str, url: str) -> None:
    with pytest.raises(ConfigError, match="flux.repository"):
        open_pulls(host, url, "token", "main")
