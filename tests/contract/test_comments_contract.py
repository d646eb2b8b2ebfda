"""What comments on pull requests do at every code host: one a key, changed and not repeated, whatever fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from code_hosts import Drop, Reply
from comment_hosts import AzureDevOpsPulls, GitHubPulls

from mlops import rest
from mlops.adapters.azuredevops.comments import open_comments as on_azure_devops
from mlops.adapters.github.comments import open_comments as on_github
from mlops.cli import main
from mlops.comments import MOST, Comments, mark_of, marked
from mlops.errors import ConfigError, StepError
from mlops.records import Origin

KEY = "visionline/plan"
PLANS = Path(__file__).resolve().parent.parent / "plans"


class Place:
    """A code host, what comments there, and a run of pull request 12."""

    def __init__(self, host: Any, comments: Comments, origin: Origin) -> None:
        self.host, self.comments, self.origin = host, comments, origin

    def show(self, text: str = "## Infrastructure: nothing changes\n") -> str | None:
        return self.comments.show(KEY, text, self.origin)


def github() -> Place:
    host = GitHubPulls()
    return Place(host, on_github(), Origin("github", host.url, "octo/camera", "", "c0ffee", "12", "34", "https://run"))


def azure_devops() -> Place:
    host = AzureDevOpsPulls()
    where = ("azure-devops", f"{host.url}/org/", "repo-id", "edge cameras", "c0ffee", "12", "34", "https://build")
    return Place(host, on_azure_devops(), Origin(*where))


@pytest.fixture(params=[github, azure_devops], ids=lambda make: make.__name__)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_workflow")
    monkeypatch.setenv("SYSTEM_ACCESSTOKEN", "entra-token")
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.001)
    made = request.param()
    yield made
    made.host.close()


def test_a_comment_is_written_with_a_page(place: Place) -> None:
    page = place.show()
    assert page and "12" in page.rpartition("/")[2]
    assert place.host.texts == [f"{mark_of(KEY)}\n## Infrastructure: nothing changes\n"]


def test_the_same_again_adds_and_changes_nothing(place: Place) -> None:
    first = place.show()
    assert place.show() == first and len(place.host.texts) == 1
    assert [call.method for call in place.host.calls if call.method != "GET"] == ["POST"]


def test_other_words_change_the_comment(place: Place) -> None:
    place.show()
    place.show("## Infrastructure: 1 to delete\n")
    assert place.host.texts == [f"{mark_of(KEY)}\n## Infrastructure: 1 to delete\n"]


def test_each_key_has_its_own(place: Place) -> None:
    place.show()
    place.comments.show("visionline/other", "other", place.origin)
    assert len(place.host.texts) == 2


def test_what_others_write_is_never_taken_for_ours(place: Place) -> None:
    forged = f"{mark_of(KEY)}\n## Infrastructure: nothing changes, trust me\n"
    place.host.write(forged)
    place.show(), place.show("## Infrastructure: 1 to delete\n")
    assert place.host.texts == [forged, f"{mark_of(KEY)}\n## Infrastructure: 1 to delete\n"]


@pytest.mark.parametrize("fault", [Reply(503, {}), Drop(), Drop(handled=True)])
@pytest.mark.parametrize("after", range(4))
def test_whatever_fails_on_the_way_it_is_written_once(place: Place, fault: Reply | Drop, after: int) -> None:
    place.host.faults.extend([*[None] * after, fault])
    place.show()
    assert len(place.host.texts) == 1


def test_a_long_pull_request_is_looked_through(place: Place) -> None:
    for number in range(250):
        place.host.write(f"remark {number}")
    place.show(), place.show("changed\n")
    assert len(place.host.texts) == 251 and "changed" in place.host.texts[-1]


def test_a_long_text_is_cut_and_says_where_the_rest_is(place: Place) -> None:
    place.show("a line of a plan\n" * 10_000)
    (text,) = place.host.texts
    assert len(text) <= MOST and text.endswith(f"all of it is on the run's page: {place.origin.link}.\n")
    assert text.count("a line of a plan\n") > 3000


def test_a_refusal_says_what_to_do_and_holds_no_token(place: Place) -> None:
    place.host.faults.append(Reply(403, {"message": "no rights"}))
    with pytest.raises(StepError, match="needs") as refused:
        place.show()
    assert "ghs_" not in str(refused.value) and "entra-token" not in str(refused.value)


def test_where_there_is_no_pull_request_or_no_token_it_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="of no pull request"):
        place.comments.show(KEY, "text", replace(place.origin, pull_request=None))
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.delenv("SYSTEM_ACCESSTOKEN")
    with pytest.raises(ConfigError, match="no token"):
        place.show()
    assert place.host.texts == []


def test_a_short_text_is_kept_whole() -> None:
    assert marked(KEY, "text\n", None) == f"{mark_of(KEY)}\ntext\n"


def run_cost(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *more: str) -> tuple[int, list[str]]:
    """Run `mlops cost --comment` as a pipeline's run of the pull request; return its exit code and lines."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12, "head": {"sha": "c0ffee"}}}), encoding="utf-8")
    github_says = {"REPOSITORY": "octo/camera", "SHA": "m", "API_URL": place.host.url, "EVENT_PATH": str(event)}
    azure_says = {
        "SYSTEM_COLLECTIONURI": f"{place.host.url}/org/",
        "SYSTEM_TEAMPROJECT": "edge cameras",
        "BUILD_REPOSITORY_ID": "repo-id",
        "BUILD_SOURCEVERSION": "m",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
    }
    is_github = place.origin.host == "github"
    for name, value in github_says.items():
        monkeypatch.setenv(f"GITHUB_{name}", value) if is_github else monkeypatch.delenv(f"GITHUB_{name}", False)
    for name, value in azure_says.items():
        monkeypatch.delenv(name, False) if is_github else monkeypatch.setenv(name, value)
    said: list[str] = []
    plans = ("--plan", str(PLANS / "terraform.json"), "--plan", str(PLANS / "what-if.json"))
    return main(["cost", *plans, "--out", str(tmp_path / "plans.md"), "--comment", *more], said.append), said


def test_cost_comments_all_plans_at_once(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for _ in range(2):
        code, said = run_cost(place, monkeypatch, tmp_path)
        assert code == 0 and said[-1].startswith("the pull request's comment: http")
    (text,) = place.host.texts
    assert "## Infrastructure, terraform: 1 to delete" in text and "## Infrastructure, what-if: 1 to delete" in text


def test_a_comment_that_fails_is_said_and_fails_no_plan(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.host.faults.extend([Reply(403, {"message": "no rights"})] * 2)
    code, said = run_cost(place, monkeypatch, tmp_path)
    assert code == 0 and said[-1].startswith("not shown on the pull request: ") and "needs" in said[-1]
    assert run_cost(place, monkeypatch, tmp_path, "--cap", "1")[0] == 2
