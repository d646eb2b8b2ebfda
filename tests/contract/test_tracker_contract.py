"""What every tracker does at every code host: one open issue a cause, whatever fails on the way; no token leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from code_hosts import CodeHost, Drop, Reply
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from issue_hosts import SCRUM, AzureDevOpsItems, GitHubIssues

from mlops import rest
from mlops.adapters.azuredevops.tracker import AzureDevOpsTracker
from mlops.adapters.github.tracker import GitHubTracker
from mlops.errors import ConfigError, StepError
from mlops.issues import MARK, Issue, Tracker
from mlops.records import Origin

DRIFT = Issue("visionline/dev/drift/gate-1", "dev: stream gate-1 drifts", "    brightness: PSI 0.40\n\nSeen by run 34.")
ROT = Issue("visionline/dev/preflight/quota", "dev: preflight: quota", "    no cores left <b>&amp;</b>")
APP_KEY = rsa.generate_private_key(65537, 2048)


class Known:
    """Secrets of a test's own."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, name: str) -> str:
        return self.values[name]

    def token(self, scope: str) -> str:
        return "entra-token"


class Place:
    """A code host, a tracker that writes to it, and the run that monitors."""

    def __init__(self, host: Any, tracker: Tracker, secrets: Known) -> None:
        self.host, self.tracker, self.secrets = host, tracker, secrets
        self.origin = origin(host, "azure-devops" if isinstance(host, AzureDevOpsItems) else "github")

    def show(self, issue: Issue = DRIFT) -> str | None:
        return self.tracker.show(issue, self.origin, self.secrets)

    def close(self, key: str = DRIFT.key) -> None:
        self.tracker.close(key, "Gone: not found again by run 35.", self.origin, self.secrets)

    def opened(self) -> tuple[str, ...]:
        return self.tracker.opened(self.origin, self.secrets)


def origin(host: CodeHost, kind: str) -> Origin:
    if kind == "github":
        return Origin("github", host.url, "octo/camera", "", "c0ffee", None, "34", "https://github.com/run")
    return Origin("azure-devops", f"{host.url}/org/", "repo-id", "edge cameras", "c0ffee", None, "34", "https://build")


def by_workflow() -> Place:
    return Place(GitHubIssues(), GitHubTracker(None), Known())


def by_app() -> Place:
    pem = APP_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    secret = json.dumps({"app": "Iv1.app", "key": pem.decode()})
    return Place(GitHubIssues(APP_KEY.public_key()), GitHubTracker("app"), Known(app=secret))


def by_identity() -> Place:
    return Place(AzureDevOpsItems(), AzureDevOpsTracker(None), Known())


def by_personal_token_in_scrum() -> Place:
    return Place(AzureDevOpsItems(SCRUM), AzureDevOpsTracker("pat"), Known(pat="personal"))


PLACES = (by_workflow, by_app, by_identity, by_personal_token_in_scrum)


@pytest.fixture(autouse=True)
def workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_workflow")
    monkeypatch.delenv("SYSTEM_ACCESSTOKEN", raising=False)
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture(params=PLACES, ids=lambda make: make.__name__)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made = request.param()
    yield made
    made.host.close()


def test_a_cause_is_opened_with_a_page(place: Place) -> None:
    assert place.opened() == ()
    page = place.show()
    assert page and page.rpartition("/")[2] == "1"
    assert place.host.open_titles == [DRIFT.title] and place.opened() == (DRIFT.key,)


def test_the_same_again_adds_and_changes_nothing(place: Place) -> None:
    place.show(ROT)
    writes = len(changes(place))
    assert place.show(ROT) == place.show(ROT)
    assert place.host.open_titles == [ROT.title] and len(changes(place)) == writes


def test_other_figures_change_what_is_open(place: Place) -> None:
    place.show()
    place.show(replace(DRIFT, body="    brightness: PSI 0.90"))
    assert place.host.open_titles == [DRIFT.title] and "0.90" in json.dumps(everything(place)[0])


def test_each_cause_has_its_own(place: Place) -> None:
    place.show(), place.show(ROT)
    assert place.opened() == (DRIFT.key, ROT.key)


def test_what_is_gone_is_closed_with_the_reason_and_opens_anew_when_it_returns(place: Place) -> None:
    place.show(), place.show(ROT)
    place.close()
    place.close()
    assert place.opened() == (ROT.key,) and "Gone: not found again by run 35." in json.dumps(everything(place)[0])
    place.show()
    assert place.opened() in ((ROT.key, DRIFT.key), (DRIFT.key, ROT.key)) and len(everything(place)) == 3


def test_closing_what_is_not_open_does_nothing(place: Place) -> None:
    place.close("visionline/dev/health/live")
    assert changes(place) == []


@pytest.mark.parametrize("fault", [Reply(503, {}), Drop(), Drop(handled=True)])
@pytest.mark.parametrize("after", range(4))
def test_whatever_fails_on_the_way_it_is_opened_once(place: Place, fault: Reply | Drop, after: int) -> None:
    place.host.faults.extend([*[None] * after, fault])
    place.show()
    assert place.host.open_titles == [DRIFT.title]


def test_a_refusal_says_what_to_do_and_holds_no_token(place: Place) -> None:
    place.opened()
    place.host.faults.extend([Reply(403, {"message": "no rights"})] * 9)
    with pytest.raises(StepError, match="needs|installation") as refused:
        place.show()
    assert not any(token in str(refused.value) for token in ("ghs_", "entra-token", "PRIVATE"))


def test_a_run_of_another_host_is_told_to_change_the_stage_file(place: Place) -> None:
    place.origin = replace(place.origin, host="elsewhere")
    with pytest.raises(ConfigError, match="runs for elsewhere: change the stage file"):
        place.show()


def test_more_than_a_page_of_issues_is_looked_through() -> None:
    place = by_workflow()
    for number in range(120):
        place.host.issues.append(an_issue(number + 1, f"<!-- visionline/dev/drift/camera-{number} -->"))
    assert len(place.opened()) == 120
    place.show(replace(DRIFT, key="visionline/dev/drift/camera-119"))
    assert len(place.host.issues) == 120
    place.host.close()


def an_issue(number: int, body: str, **more: Any) -> dict[str, Any]:
    labels = {"labels": [{"name": MARK}], "state": "open", "html_url": f"https://x/{number}"}
    return {"number": number, "title": "t", "body": body, **labels, **more}


def test_an_issue_of_somebody_else_is_never_taken_for_ours() -> None:
    place = by_workflow()
    marker = f"<!-- {DRIFT.key} -->"
    place.host.issues += [an_issue(1, marker, labels=[]), an_issue(2, marker, pull_request={}), an_issue(3, "by hand")]
    assert place.opened() == ()
    place.show()
    assert len(place.host.issues) == 4 and place.host.issues[0]["body"] == marker
    place.host.close()


def test_a_text_that_holds_another_key_keeps_its_own() -> None:
    place = by_workflow()
    place.show(replace(DRIFT, body=f"    <!-- {ROT.key} -->"))
    assert place.opened() == (DRIFT.key,)
    place.host.close()


def test_where_no_label_can_be_given_it_is_said_and_no_issue_is_left_open() -> None:
    place = by_workflow()
    place.host.drops_labels = True
    with pytest.raises(StepError, match="did not get the label visionline-monitor"):
        place.show()
    assert place.host.open_titles == []
    place.host.close()


def changes(place: Place) -> list[Any]:
    return [
        call
        for verb in ("POST", "PATCH")
        for call in place.host.sent(verb)
        if not call.path.endswith(("/wiql", "/access_tokens"))
    ]


def everything(place: Place) -> list[dict[str, Any]]:
    return list(place.host.issues if isinstance(place.host, GitHubIssues) else place.host.items)
