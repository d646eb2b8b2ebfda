"""What a training's end says to whoever started it, where that was, and how a call to a code host is repeated."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from evaluations import DATA_VERSION, duel, evaluation, model

from mlops import origin as origins
from mlops.config import load_stage
from mlops.errors import ConfigError, TargetError
from mlops.origin import decoded, encoded, origin_of
from mlops.records import Origin, RegisterRecord, RuleResult, Verdict
from mlops.reporting import LONGEST_SUMMARY, LONGEST_TITLE, notice_of, studio_link, summary_of, title_of
from mlops.rest import ATTEMPTS, Rest, Unavailable, persistently

ORIGIN = Origin("github", "https://api.github.com", "octo/camera", "", "c0ffee", "5", "34", "https://github.com/run")
PASSED = RegisterRecord("camera", 3, "sha256:1", DATA_VERSION, "c0ffee", Verdict("promote", "all 18 rules pass", ()))
REJECTED = replace(PASSED, version=None, digest=None, verdict=Verdict("reject", "floor: 0.7 < 0.8", ()))
GITHUB = {"GITHUB_REPOSITORY": "octo/camera", "GITHUB_SHA": "merge", "GITHUB_RUN_ID": "34"}
PIPELINE = {
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/org/",
    "SYSTEM_TEAMPROJECT": "edge cameras",
    "BUILD_REPOSITORY_ID": "repo-id",
    "BUILD_REPOSITORY_NAME": "camera",
    "BUILD_REPOSITORY_PROVIDER": "TfsGit",
    "BUILD_SOURCEVERSION": "merge",
    "BUILD_BUILDID": "34",
}


@pytest.mark.parametrize(
    "record, title",
    [(PASSED, "version 3: passed: all 18 rules pass"), (REJECTED, "no version: rejected: floor: 0.7 < 0.8")],
)
def test_the_title_says_version_verdict_and_reason(record: RegisterRecord, title: str) -> None:
    assert title_of(record) == title


def test_what_could_not_be_judged_is_no_rejection() -> None:
    assert "could not be judged" in title_of(replace(REJECTED, verdict=Verdict("error", "accuracy is NaN", ())))


def test_a_long_reason_is_cut_and_stays_one_line() -> None:
    title = title_of(replace(REJECTED, verdict=Verdict("reject", "floor:\n" + "x " * 999, ())))
    assert len(title) <= LONGEST_TITLE and title.endswith("...") and "\n" not in title


def test_the_summary_has_the_figures_of_both_models_and_each_rule() -> None:
    rules = (RuleResult("floor", "promote", "0.9 | enough"), RuleResult("size", "reject", "9 MiB"))
    text = summary_of(replace(PASSED, verdict=Verdict("reject", "size", rules)), duel(champion_right=88), "https://job")
    assert "| challenger | int8 | 0.9000 | 0.9000 (class-0) | 0.4500 (blur) | 0.500 | 97.7 |" in text
    assert "| champion, version 3 | fp32 | 0.8800 |" in text
    assert "| floor | pass | 0.9 \\| enough |" in text and "| size | reject | 9 MiB |" in text
    assert "(https://job)" in text


def test_every_line_of_a_table_has_the_same_number_of_cells() -> None:
    for block in summary_of(PASSED, evaluation(model()), None).split("\n\n"):
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if line.startswith("|")]
        assert len(set(cells)) <= 1, block


def test_without_figures_the_verdict_is_told_all_the_same() -> None:
    assert "all 18 rules pass" in summary_of(PASSED, None, None)


def test_a_summary_is_never_longer_than_a_host_takes() -> None:
    rules = tuple(RuleResult(f"rule{number}", "reject", "x" * 900) for number in range(99))
    judged = replace(PASSED, verdict=Verdict("reject", "all", rules))
    assert len(notice_of("dev", judged, None, ORIGIN, None).summary) <= LONGEST_SUMMARY


def test_a_notice_is_the_same_for_the_same_run_and_another_for_another() -> None:
    first, other = (notice_of("dev", PASSED, None, replace(ORIGIN, run=run), None) for run in ("34", "35"))
    assert (first.key, first.name, first.tag) == ("camera/dev/34", "camera/dev", "camera-3")
    assert first.key != other.key and first.name == other.name
    assert notice_of("dev", REJECTED, None, ORIGIN, None).tag == "camera-reject"


def test_the_link_leads_to_the_job_and_else_to_the_run() -> None:
    azureml = replace(load_stage("dev").azureml, subscription="s", resource_group="g", workspace="w")
    job = studio_link(azureml, "lucky_rice_1")
    assert job == ("https://ml.azure.com/runs/lucky_rice_1?wsid=/subscriptions/s/resourcegroups/g/workspaces/w")
    assert notice_of("dev", PASSED, None, ORIGIN, job).link == job
    assert notice_of("dev", PASSED, None, ORIGIN, None).link == ORIGIN.link


# Where it was started from.


def test_a_workflow_is_known_by_its_variables() -> None:
    found = origin_of(GITHUB, {})
    assert found == Origin(
        "github",
        "https://api.github.com",
        "octo/camera",
        "",
        "merge",
        None,
        "34",
        "https://github.com/octo/camera/actions/runs/34",
    )


def test_of_a_pull_request_its_own_commit_counts_not_the_merge() -> None:
    found = origin_of(GITHUB, {"pull_request": {"number": 5, "head": {"sha": "head"}}})
    assert found and (found.commit, found.pull_request) == ("head", "5")
    pull = {"SYSTEM_PULLREQUEST_PULLREQUESTID": "12", "SYSTEM_PULLREQUEST_SOURCECOMMITID": "head"}
    found = origin_of({**PIPELINE, **pull}, {})
    assert found and (found.commit, found.pull_request) == ("head", "12")


def test_a_github_server_of_ones_own_is_taken_from_its_variables() -> None:
    own = {"GITHUB_API_URL": "https://git.example.com/api/v3", "GITHUB_SERVER_URL": "https://git.example.com"}
    found = origin_of({**GITHUB, **own}, {})
    assert found and found.api == own["GITHUB_API_URL"] and str(found.link).startswith(own["GITHUB_SERVER_URL"])


def test_an_azure_pipeline_is_known_by_its_variables() -> None:
    found = origin_of(PIPELINE, {})
    assert found and (found.host, found.api, found.repository) == (
        "azure-devops",
        "https://dev.azure.com/org/",
        "repo-id",
    )
    assert found.link == "https://dev.azure.com/org/edge%20cameras/_build/results?buildId=34"


def test_an_azure_pipeline_over_a_repository_on_github_reports_to_github() -> None:
    changes = {"BUILD_REPOSITORY_PROVIDER": "GitHub", "BUILD_REPOSITORY_NAME": "octo/camera"}
    found = origin_of({**PIPELINE, **changes, "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "5"}, {})
    assert found and (found.host, found.repository, found.pull_request) == ("github", "octo/camera", "5")


@pytest.mark.parametrize("variables", [{}, {"GITHUB_SHA": "a"}, {"SYSTEM_COLLECTIONURI": "https://a"}])
def test_outside_ci_there_is_no_origin(variables: dict[str, str]) -> None:
    assert origin_of(variables, {}) is None


def test_the_event_is_read_and_a_spoilt_one_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    event = tmp_path / "event.json"
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    for text, commit in (
        (json.dumps({"pull_request": {"number": 1, "head": {"sha": "head"}}}), "head"),
        ("[", "merge"),
    ):
        event.write_text(text)
        found = origins.here()
        assert found and found.commit == commit
    event.unlink()
    found = origins.here()
    assert found and found.commit == "merge"


def test_an_origin_survives_the_way_through_a_job_and_a_shell_sees_one_word() -> None:
    hostile = replace(ORIGIN, project='it\'s $(rm) `x` "y" ${{inputs.z}} | &', link=None)
    word = encoded(hostile)
    assert decoded(word) == hostile and re.fullmatch(r"[A-Za-z0-9_-]+", word)


@pytest.mark.parametrize("word", ["", "!", "e30", "bnVsbA", "{}", encoded(ORIGIN)[:-9]])
def test_a_spoilt_word_is_one_line(word: str) -> None:
    with pytest.raises(ConfigError, match="^--origin") as raised:
        decoded(word)
    assert "\n" not in str(raised.value)


# How a call is repeated.


def test_waits_grow_and_end() -> None:
    waits: list[float] = []

    def work() -> None:
        raise Unavailable("down")

    with pytest.raises(TargetError, match=f"tried {ATTEMPTS} times"):
        persistently(work, waits.append)
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_the_wait_that_is_asked_for_is_kept_and_what_then_succeeds_is_returned() -> None:
    waits: list[float] = []
    answers = [Unavailable("wait", 7.0), Unavailable("wait", 0.0), "done"]

    def work() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return str(answer)

    assert (persistently(work, waits.append), waits) == ("done", [7.0, 0.0])


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "example.com", "file:///etc"])
def test_a_token_goes_only_where_nobody_reads_it_on_the_way(url: str) -> None:
    with pytest.raises(ConfigError, match="https://"):
        Rest(url, {}, "t0ken")


def test_a_token_is_not_in_what_python_shows_of_the_api() -> None:
    assert "t0ken" not in repr(Rest("https://a", {"Authorization": "Bearer t0ken"}, "t0ken"))
