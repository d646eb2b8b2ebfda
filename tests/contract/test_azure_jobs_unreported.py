"""`mlops notify --unreported`: trainings that ended on Azure ML and told nobody are told, once, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azurefake.faults import FORBIDDEN
from azurefake.jobs import Step, on_job, plan, put_output
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from code_hosts import GitHubHost, Reply
from pipelines import Workshop, make_workshop

from mlops import rest
from mlops.adapters.azureml import joboutputs, jobs
from mlops.adapters.azureml.jobs import open_job_runner
from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.errors import JobError
from mlops.origin import encoded
from mlops.records import NotifyRecord, Origin, read_record
from mlops.telling import PUBLIC, unreported

FOLDER = {"type": "uri_folder"}
VERDICT = {"outcome": "promote", "reason": "all rules pass", "rules": []}
REGISTERED = {"model": "fashion-classifier", "version": 3, "digest": "sha256:1", "data_version": "d", "git_commit": "c"}
FAILED = "no version: could not be judged: job: job {job}: step register failed: out of memory: see https://ml.azure"


@pytest.fixture
def github(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubHost]:
    """Let dev report to GitHub, as a scheduled workflow of octo/camera with its own token."""
    host = GitHubHost()
    place = {"REPOSITORY": "octo/camera", "SHA": "c0ffee", "API_URL": host.url, "TOKEN": "ghs_workflow"}
    for name, value in place.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    monkeypatch.setenv("VISIONLINE_STAGES", str(write_stages(tmp_path / "stages", dev={"report": "github"})))
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(joboutputs, "PAUSE_SECONDS", 0.0)
    yield host
    host.close()


@pytest.fixture
def shop(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """Write a training of its last two steps: they register, and tell."""
    made = make_workshop(tmp_path / "shop")
    (made.environments / "tiny" / "Dockerfile").write_text("FROM tiny")
    monkeypatch.setattr("mlops.adapters.azureml.pipelinejob.REPOSITORY", made.folder)
    made.module("work", "print('works')")
    command = "python -m work ${{outputs.out}} $[[${{inputs.origin}}]]"
    optional = {"origin": {"type": "string", "optional": True}}
    after = {**optional, "source": FOLDER}
    bound = {"origin": "${{parent.inputs.origin}}"}
    made.component("register", command, inputs=optional, outputs={"out": FOLDER})
    made.component("report", f"{command} ${{{{inputs.source}}}}", inputs=after, outputs={"out": FOLDER})
    source = {"source": "${{parent.jobs.register.outputs.out}}"}
    outputs = {name: {"out": f"${{{{parent.outputs.{name}}}}}"} for name in ("registration", "notification")}
    nodes = {
        "register": {"inputs": bound, "outputs": outputs["registration"]},
        "report": {"inputs": {**bound, **source}, "outputs": outputs["notification"]},
    }
    made.job(nodes, inputs={"origin": ""}, outputs={"registration": FOLDER, "notification": FOLDER})
    return made


class Trainings:
    """Trainings that were started in octo/camera, each from a run of its own, and how each went."""

    def __init__(self, azure: Azure, github: GitHubHost, shop: Workshop) -> None:
        self.azure, self.github, self.shop = azure, github, shop
        on_job(azure, "register", leaves("register", {**REGISTERED, "verdict": VERDICT}))

    def start(self, run: str, stage: str = "dev", **changes: Any) -> str:
        """Start a training of a stage, with changes to its file, and return the job's name."""
        origin = Origin("github", self.github.url, "octo/camera", "", "c0ffee", None, run, None)
        return (
            open_job_runner(azure_stage(stage, **changes)).submit(self.shop.job_file, {"origin": encoded(origin)}).name
        )

    def forged(self, api: str, repository: str, commit: str = "c0ffee") -> str:
        """Start a training that says it was started elsewhere, and let it fail; return the job's name."""
        origin = Origin("github", api, repository, "", commit, None, "1", None)
        plan(self.azure).failures["register"] = "out of memory"
        job = open_job_runner(azure_stage("dev")).submit(self.shop.job_file, {"origin": encoded(origin)}).name
        return self.end(job)

    def end(self, job: str, stage: str = "dev", **changes: Any) -> str:
        """Let a training come to its end."""
        try:
            open_job_runner(azure_stage(stage, **changes)).result(job, lambda line: None)
        except JobError:
            pass
        return job

    def failed(self, run: str, step: str = "register") -> str:
        plan(self.azure).failures[step] = "out of memory"
        job = self.end(self.start(run))
        plan(self.azure).failures.clear()
        return job

    def cancelled(self, run: str) -> str:
        plan(self.azure).cancelled = "register"
        job = self.end(self.start(run))
        plan(self.azure).cancelled = ""
        return job

    def completed(self, run: str, delivered: bool) -> str:
        record = {"where": "github", "delivered": delivered, "reason": "said", "url": None}
        on_job(self.azure, "report", leaves("notify", record))
        return self.end(self.start(run))

    @property
    def shown(self) -> dict[str, tuple[str, str]]:
        """Return what is shown of each run: the conclusion and the title."""
        checks = self.github.checks
        return {one["external_id"].split("/")[-1]: (one["conclusion"], one["output"]["title"]) for one in checks}


def leaves(record: str, content: dict[str, Any]) -> Any:
    def work(azure: Azure, step: Step) -> None:
        put_output(azure, step, "out", {f"{record}.json": json.dumps(content).encode()})

    return work


@pytest.fixture
def trainings(azure: Azure, github: GitHubHost, shop: Workshop) -> Trainings:
    return Trainings(azure, github, shop)


def notified(*flags: str) -> tuple[int, list[str]]:
    """Run the step as a monitor pipeline does, and return its exit code and what it says."""
    said: list[str] = []
    return main(["notify", "--stage", "dev", "--run", "monitor", "--unreported", *flags], said.append), said


def test_what_failed_was_cancelled_or_was_not_delivered_is_told_once(trainings: Trainings) -> None:
    failed, cancelled = trainings.failed("1"), trainings.cancelled("2")
    trainings.completed("3", delivered=True)
    undelivered = trainings.completed("4", delivered=False)
    trainings.start("5")  # and goes on
    for _ in range(2):
        code, said = notified()
        shown = trainings.shown
        assert (code, set(shown)) == (0, {"1", "2", "4"})
        assert shown["1"][0] == "failure" and shown["1"][1].startswith(FAILED.format(job=failed))
        assert f"job {cancelled}: was cancelled: see " in shown["2"][1]
        assert shown["4"] == ("success", "version 3: passed: all rules pass")
        assert len(trainings.github.checks) == 3
    assert said[-3:] == [
        f"github: job {job}: {shown[run][1]}" for run, job in (("1", failed), ("2", cancelled), ("4", undelivered))
    ]
    assert read_record(run_folder("monitor"), f"notify.{failed}", NotifyRecord).delivered
    summary = next(one for one in trainings.github.checks if one["external_id"].endswith("/1"))["output"]["summary"]
    assert f"https://ml.azure.com/runs/{failed}?wsid=" in summary and Azure.SECRET not in summary


def test_a_training_that_failed_in_its_own_report_is_told_by_its_verdict(trainings: Trainings) -> None:
    trainings.failed("1", step="report")
    assert notified()[0] == 0
    assert trainings.shown == {"1": ("success", "version 3: passed: all rules pass")}


@pytest.mark.parametrize("end", ["completed", "failed in its report"])
def test_a_verdict_that_cannot_be_fetched_is_no_failure_of_the_training(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("azure.core.pipeline.policies.RetryPolicy.get_backoff_time", lambda *_: 0)
    is_completed = end == "completed"
    job = trainings.completed("1", delivered=False) if is_completed else trainings.failed("1", step="report")
    trainings.azure.fail("*", "/rundata", *[FORBIDDEN] * 9)
    code, said = notified()
    assert (code, trainings.shown) == (1, {})
    assert said[-1].startswith(f"github: job {job}: not delivered: job {job}: output ") and "403" in said[-1]
    trainings.azure.faults.clear()
    assert notified()[0] == 0
    assert trainings.shown == {"1": ("success", "version 3: passed: all rules pass")}


def test_jobs_of_others_of_no_origin_and_of_long_ago_are_left_alone(trainings: Trainings) -> None:
    old = trainings.failed("1")
    (known,) = (one for id, one in trainings.azure.resources.items() if id.endswith(f"/jobs/{old}"))
    known["systemData"]["createdAt"] = "2026-01-01T00:00:00.1234567Z"
    plan(trainings.azure).failures["register"] = "out of memory"
    trainings.end(trainings.start("2", stage="qa"), "qa")
    trainings.end(trainings.start("3", model="birds"), model="birds")
    trainings.end(open_job_runner(azure_stage("dev")).submit(trainings.shop.job_file, {}).name)
    code, said = notified("--since", "24")
    assert (code, said, trainings.github.calls) == (0, ["github: all that ended in 24 hours was told"], [])


@pytest.mark.parametrize("fails_last", [False, True])
def test_of_trainings_that_share_a_notice_the_last_one_has_the_word(trainings: Trainings, fails_last: bool) -> None:
    if not fails_last:
        trainings.failed("")
    trainings.completed("", delivered=True)
    last = trainings.failed("") if fails_last else None
    assert notified()[0] == 0
    assert [state for state, _ in trainings.shown.values()] == (["failure"] if last else [])


def test_a_host_that_refuses_is_an_error_and_the_next_run_tells(trainings: Trainings) -> None:
    job = trainings.failed("1")
    trainings.github.faults.append(Reply(403, {"message": "no"}))
    code, said = notified()
    assert (code, said[-1].startswith(f"github: job {job}: not delivered: ")) == (1, True)
    assert not read_record(run_folder("monitor"), f"notify.{job}", NotifyRecord).delivered
    assert notified()[0] == 0 and set(trainings.shown) == {"1"}


def test_a_spoilt_origin_is_said_and_keeps_no_other_from_being_told(trainings: Trainings) -> None:
    plan(trainings.azure).failures["register"] = "out of memory"
    runner = open_job_runner(azure_stage("dev"))
    spoilt = trainings.end(runner.submit(trainings.shop.job_file, {"origin": "nonsense"}).name)
    trainings.failed("1")
    code, said = notified()
    assert said[0].startswith(f"job {spoilt}: nobody can be told: --origin: is not what")
    assert (code, set(trainings.shown)) == (0, {"1"})


@pytest.fixture
def stranger() -> Iterator[GitHubHost]:
    """Stand for an address that somebody else listens at."""
    host = GitHubHost()
    yield host
    host.close()


def test_no_token_goes_to_an_address_that_only_a_job_names(trainings: Trainings, stranger: GitHubHost) -> None:
    forged = trainings.forged(stranger.url, "octo/camera")
    code, said = notified()
    assert (code, stranger.calls, trainings.github.calls) == (0, [], [])
    assert said[0] == (
        f"job {forged}: nobody can be told: --origin: names octo/camera at {stranger.url}, and this pipeline's token "
        f"is for octo/camera at {trainings.github.url} alone"
    )


def test_a_job_of_another_repository_is_left_to_that_ones_own_monitor(trainings: Trainings) -> None:
    forged = trainings.forged(trainings.github.url, "octo/\n::stop-commands::x")
    trainings.failed("2")
    code, said = notified()
    assert (code, set(trainings.shown)) == (0, {"2"})
    assert said[0].startswith(f"job {forged}: nobody can be told: --origin: names octo/ ::stop") and "\n" not in said[0]


def test_by_hand_a_token_goes_to_the_public_hosts_alone(
    trainings: Trainings, stranger: GitHubHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY")
    trainings.forged(stranger.url, "octo/camera")
    code, said = notified()
    assert (code, stranger.calls) == (0, [])
    assert said[0].endswith(
        "outside CI a token goes to GitHub's and Azure DevOps' own addresses: run this in a pipeline"
    )
    known = trainings.forged("https://api.github.com", "octo/camera")
    found = unreported(Context(load_stage("dev"), run_folder("monitor"), said.append), 48.0)
    assert [(job, origin.api) for job, origin in found] == [(known, "https://api.github.com")]


def test_a_commit_that_would_lead_to_another_address_is_not_told(trainings: Trainings) -> None:
    forged = trainings.forged(trainings.github.url, "octo/camera", commit="../../birds/commits/c0ffee")
    code, said = notified()
    assert (code, trainings.github.calls) == (0, [])
    assert said[0].startswith(f"job {forged}: nobody can be told: --origin: commit, pull request and run should be")


@pytest.mark.parametrize(
    "api, is_known",
    [
        ("https://api.github.com", True),
        ("https://dev.azure.com/acme/", True),
        ("https://acme.visualstudio.com/", True),
        ("https://dev.azure.com.evil.example/acme/", False),
        ("https://api.github.com@evil.example/", False),
        ("https://evil.example/dev.azure.com/", False),
        ("https://evil.example/.visualstudio.com/", False),
        ("http://api.github.com", False),
        ("https://[", False),
    ],
)
def test_an_address_is_public_by_its_host(api: str, is_known: bool) -> None:
    assert (PUBLIC.fullmatch(api) is not None) == is_known


def test_who_may_not_list_jobs_is_told_so_in_one_line(trainings: Trainings, capsys: pytest.CaptureFixture[str]) -> None:
    trainings.azure.fail("GET", "/ws/jobs?", FORBIDDEN)
    assert notified() == (1, [])
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ") and "403" in said and "role" in said


def test_a_stage_that_reports_nowhere_asks_nobody(
    azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISIONLINE_STAGES", str(write_stages(tmp_path / "silent")))
    assert notified() == (0, ["none: the stage file reports nowhere"])
    assert azure.requests == []


def test_on_the_local_platform_there_is_nothing_to_look_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(
        "VISIONLINE_STAGES", str(write_stages(tmp_path / "here", dev=dict(report="github", platform="local")))
    )
    assert notified() == (1, [])
    assert capsys.readouterr().err.strip() == (
        "error: on this machine a job is waited for, and its end known: leave --unreported out"
    )
