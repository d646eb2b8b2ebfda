"""A release by pull requests at GitHub and Azure DevOps: opened once, found again, and told what has become of them."""

from __future__ import annotations

import pytest
from code_hosts import Drop, Reply
from flux_pull_places import Place, numbered
from model_packages import MODEL

from mlops.adapters.flux.pulls import open_pulls
from mlops.errors import ConfigError

ONE = numbered(1)


def test_a_release_opens_a_pull_request_and_says_that_it_waits(pull_place: Place) -> None:
    said = pull_place.ask()
    assert said.startswith("production: pull request 1 (http") and said.endswith("waits: merge it, then run again")
    (pull,) = pull_place.host.pulls
    assert pull["title"] == f"production: version 1 of {MODEL}"
    body = pull.get("body") or pull["description"]
    assert f"Version: 1\nDigest: {ONE.digest}\n" in body and "Run: " in body
    branch = pull_place.host.branch(1)
    assert branch.startswith("visionline/production/")
    assert "clusters/production/declared.json" in pull_place.server.files(f"refs/heads/{branch}")
    assert not any(path.startswith("clusters/production") for path in pull_place.server.files())


def test_runs_after_it_find_the_same_pull_request(pull_place: Place) -> None:
    first = pull_place.ask()
    pull_place.server.write({"other.txt": "1"}, "Somebody else")
    assert pull_place.ask() == first and len(pull_place.host.pulls) == 1
    assert len([ref for ref in pull_place.server.refs() if "visionline" in ref]) == 1


def test_what_is_merged_is_done_and_the_next_step_asks_anew(pull_place: Place) -> None:
    pull_place.ask()
    pull_place.host.merge(1)
    pull_place.target.deploy(ONE)
    assert pull_place.target.status().deployments[1].state == "declared"
    assert "pull request 2" in pull_place.ask(lambda: pull_place.target.set_traffic({1: 100}))
    pull_place.host.merge(2)
    pull_place.target.set_traffic({1: 100})
    assert pull_place.target.status().traffic == {1: 100} and len(pull_place.host.pulls) == 2


def test_what_somebody_closed_is_not_opened_again(pull_place: Place) -> None:
    pull_place.ask()
    pull_place.host.shut(1)
    assert "was closed without being merged: reopen it, or revoke the version" in pull_place.ask()
    assert len(pull_place.host.pulls) == 1


def test_what_was_merged_once_and_is_wanted_again_gets_a_pull_request_of_its_own(pull_place: Place) -> None:
    target = pull_place.target
    for number, work in enumerate((lambda: target.deploy(ONE), lambda: target.remove(1)) * 2, 1):
        pull_place.ask(work)
        pull_place.host.merge(number)
        work()
    assert pull_place.host.branch(4) == f"{pull_place.host.branch(2)}-2"


def test_a_release_that_was_killed_between_push_and_pull_request_goes_on(pull_place: Place) -> None:
    pull_place.host.faults.append(None)
    pull_place.host.faults.append(Reply(403, {"message": "Resource not accessible"}))
    assert "403 Resource not accessible: the token needs to read and write pull requests" in pull_place.ask()
    pull_place.ask()
    assert len(pull_place.host.pulls) == 1


def test_a_pull_request_whose_answer_got_lost_is_opened_once(pull_place: Place) -> None:
    pull_place.host.faults.extend([None, Drop(handled=True)])
    assert "waits" in pull_place.ask() and len(pull_place.host.pulls) == 1


def test_a_branch_of_that_name_with_other_content_is_told(pull_place: Place) -> None:
    pull_place.ask()
    branch = pull_place.host.branch(1)
    pull_place.host.pulls.clear()
    pull_place.server.write({"clusters/production/declared.json": "{}"}, "Spoilt", f"refs/heads/{branch}")
    assert f"branch {branch} is there already, with other content: delete it" in pull_place.ask()


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
