"""`mlops monitor` tells people of each cause once, for as long as it lasts, and says nothing of what it did not see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from frozen_stages import based
from issue_hosts import GitHubIssues
from registries import give_database, sealed

from mlops import rest, watching
from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.errors import TargetError
from mlops.loading import read_json
from mlops.names import APPROVED, REVOKED
from mlops.ports import CheckLine
from mlops.records import NotifyRecord
from mlops.steps import preflight
from mlops.watching import Watch

MODEL = "fashion-classifier"
ANSWER = "dev: endpoint: answer"


@pytest.fixture
def github(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubIssues]:
    """A scheduled workflow of octo/camera; dev reports to it, and nothing is rotten."""
    host = GitHubIssues()
    based(own_platform / "stages")
    (own_platform / "stages" / "dev.yaml").write_text("report: github\n")
    variables = {"REPOSITORY": "octo/camera", "SHA": "c0ffee", "API_URL": host.url, "TOKEN": "ghs_workflow"}
    for name, value in {**variables, "RUN_ID": "34"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH", "TF_BUILD", "VISIONLINE_DRIFT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VISIONLINE_STAGES", str(own_platform / "stages"))
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(preflight, "lines", lambda context: iter(()))
    give_database(load_stage("dev").home)
    yield host
    host.close()


@pytest.fixture
def dev(github: GitHubIssues, own_platform: Path) -> Context:
    """Version 1 should serve in dev, and nothing does."""
    context = Context(load_stage("dev"), own_platform / "runs" / "m")
    context.registry.register(MODEL, sealed(own_platform / "one"), {})
    context.registry.set_tag(MODEL, 1, "dev", APPROVED)
    return context


def monitored(*flags: str) -> tuple[int, list[str]]:
    said: list[str] = []
    return main(["monitor", "--stage", "dev", "--run", "m", *flags], said.append), said


def drifting(folder: Path, psi: float) -> str:
    path = folder / "results.jsonl"
    line = {"kind": "drift", "stream": "gate-1", "time": time.time(), "frames": 60, "classes_psi": psi}
    path.write_text(json.dumps(line) + "\n")
    return str(path)


def test_a_stage_that_is_well_opens_nothing(github: GitHubIssues, own_platform: Path) -> None:
    code, said = monitored()
    assert (code, github.issues) == (0, []) and said[-1].startswith("dev: 0 findings; looked at whole: preflight")
    assert read_json(Watch, own_platform / "runs" / "m" / "monitor.dev.json").findings == ()


def test_a_cause_is_told_once_and_closed_when_it_is_gone(github: GitHubIssues, dev: Context) -> None:
    for _ in range(3):
        assert monitored()[0] == 0
        assert github.open_titles == [ANSWER] and len(github.issues) == 1
    assert "version 1 is not deployed" in github.issues[0]["body"]
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    code, said = monitored()
    assert code == 0 and github.open_titles == [] and said[-1] == "visionline/dev/health/answer: is gone: closed"
    assert github.issues[0]["body"].startswith(
        "Gone: not found again by https://github.com/octo/camera/actions/runs/34"
    )


def test_while_a_release_goes_on_the_endpoint_is_not_judged(github: GitHubIssues, dev: Context) -> None:
    monitored()
    with dev.target.lock():
        code, said = monitored()
    assert code == 0 and github.open_titles == [ANSWER]
    assert any(line.startswith("dev: health: not looked at: ") for line in said)


def test_a_stream_that_drifts_is_told_and_closed_when_it_is_back(github: GitHubIssues, own_platform: Path) -> None:
    assert monitored("--drift", drifting(own_platform, 0.7))[0] == 0
    assert github.open_titles == ["dev: stream gate-1 drifts from the training images"]
    monitored()  # without a source nobody has looked
    assert len(github.open_titles) == 1
    monitored("--drift", drifting(own_platform, 0.1))
    assert github.open_titles == []


def test_sources_are_named_by_the_pipelines_variable(
    github: GitHubIssues, own_platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISIONLINE_DRIFT", drifting(own_platform, 0.7))
    assert monitored("--max-psi", "0.9")[0] == 0 and github.issues == []
    assert monitored()[0] == 0 and len(github.issues) == 1


def test_what_cannot_be_looked_at_is_a_cause_itself_and_closes_nothing(
    github: GitHubIssues, own_platform: Path
) -> None:
    monitored("--drift", drifting(own_platform, 0.7))
    monitored("--drift", str(own_platform / "gone.jsonl"))
    assert github.open_titles[1:] == ["dev: drift: can't be looked at"] and len(github.open_titles) == 2
    monitored("--drift", drifting(own_platform, 0.1))
    assert github.open_titles == []


def test_rot_is_told(github: GitHubIssues, monkeypatch: pytest.MonkeyPatch) -> None:
    line = CheckLine("API versions", "failure", "no longer offered: workspaces 2021-01-01")
    monkeypatch.setattr(preflight, "lines", lambda context: iter([line]))
    assert monitored()[0] == 0 and github.open_titles == ["dev: preflight: API versions"]


def test_where_nobody_is_told_the_exit_code_says_it(
    dev: Context, own_platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_platform / "stages" / "dev.yaml").write_text("report: none\n")
    assert monitored()[0] == 1
    (own_platform / "stages" / "dev.yaml").write_text("report: github\n")
    monkeypatch.delenv("GITHUB_REPOSITORY")
    assert monitored()[0] == 1


def test_a_host_that_refuses_is_one_line_and_fails(
    github: GitHubIssues, dev: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_old")
    assert monitored()[0] == 1
    assert "401 Bad credentials: renew the token" in capsys.readouterr().err


def test_an_endpoint_that_cannot_be_asked_is_told(
    github: GitHubIssues, dev: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(target: object) -> None:
        raise TargetError("dev: no route to the cluster")

    monkeypatch.setattr(type(dev.target), "status", lost)
    assert monitored()[0] == 0 and "no route to the cluster" in github.issues[0]["body"]


def test_trainings_that_nobody_could_be_told_of_are_a_cause(
    dev: Context, own_platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"one": NotifyRecord("github", True, "version 3", None), "two": NotifyRecord("github", False, "403", None)}
    monkeypatch.setattr(watching, "tell_unreported", lambda context, hours: told)
    azure = Context(replace(dev.stage, platform="azureml"), own_platform / "runs" / "m", lambda line: None)
    azure.__dict__.update(registry=dev.registry, target=dev.target)
    watch = watching.look(azure, lambda: [], [], watching.Limits(24.0, 0.2, 0.01))
    assert [(one.key, one.details) for one in watch.findings if one.area == "trainings"] == [
        ("visionline/dev/trainings/untold", ("two: 403",))
    ]


def test_the_report_is_shown_in_the_jobs_summary(
    github: GitHubIssues, dev: Context, own_platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(own_platform / "summary"))
    monitored()
    page = (own_platform / "summary").read_text()
    assert page.startswith("# dev: 1 finding\n") and f"| {ANSWER} |" in page
