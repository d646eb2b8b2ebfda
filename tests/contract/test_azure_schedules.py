"""Schedules on Azure ML: made as the stage file has them, once; paused, resumed and removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azurefake.faults import FORBIDDEN, THROTTLED, UNAVAILABLE, Drop
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from code_hosts import GitHubHost
from step_process import run_step

from mlops.adapters.azureml.schedules import AzureScheduler, open_scheduler
from mlops.cli import main
from mlops.config import REPOSITORY
from mlops.errors import ConfigError, JobError
from mlops.origin import decoded
from mlops.ports import ScheduleStatus
from mlops.records import DataRecord, Origin, RegisterRecord, Verdict, write_record
from mlops.steps import schedule

NAME = "fashion-classifier-dev-retraining"
NIGHTLY = {"cron": "30 3 * * mon-fri", "time_zone": "W. Europe Standard Time", "on_new_data": True}
OWN = {"stage": "dev", "model": "fashion-classifier"}
PIPELINE = """
type: pipeline
display_name: Small
experiment_name: visionline
settings: {default_compute: azureml:cpu-cluster}
inputs: {raw: {type: uri_folder}, data_version: "", stage: dev}
outputs: {done: {type: uri_folder}}
jobs:
  one:
    type: command
    component: one.yml
    inputs: {raw: "${{parent.inputs.raw}}", data_version: "${{parent.inputs.data_version}}"}
    outputs: {done: "${{parent.outputs.done}}"}
"""
COMPONENT = """
type: command
name: one
version: "1"
inputs: {raw: {type: uri_folder}, data_version: {type: string}}
outputs: {done: {type: uri_folder}}
code: code
environment: azureml:visionline-train:1
command: python one.py ${{inputs.raw}} ${{inputs.data_version}} ${{outputs.done}}
"""


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    """Return a pipeline of one small step."""
    folder = tmp_path / "jobs"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "one.py").write_text("print(1)\n")
    (folder / "one.yml").write_text(COMPONENT)
    (folder / "job.yml").write_text(PIPELINE)
    return folder / "job.yml"


def scheduler(**retraining: Any) -> AzureScheduler:
    return open_scheduler(azure_stage(azureml={"retraining": {**NIGHTLY, **retraining}}))


def inputs(azure: Azure, version: str = "0123456789abcdef") -> dict[str, str]:
    """Return the inputs of a job on a data version, which is there."""
    workspace = next(id for id in azure.resources if id.endswith("/workspaces/ws"))
    body = {"dataType": "uri_folder", "dataUri": f"azureml://{version}", "tags": {}, "properties": {}}
    azure.put(f"{workspace}/data/fashion/versions/{version}", {"properties": body})
    return {"raw": f"azureml:fashion:{version}", "data_version": version, "stage": "dev"}


def published(azure: Azure) -> list[dict[str, Any]]:
    """Return what was sent of the schedule, in order."""
    return [one.json["properties"] for one in azure.sent("PUT", "/schedules/")]


def jobs(azure: Azure) -> list[str]:
    return [one.path.rpartition("/")[2] for one in azure.sent("PUT", "/workspaces/ws/jobs/")]


def test_the_pipeline_is_scheduled_as_the_stage_file_has_it(azure: Azure, job_file: Path) -> None:
    status = scheduler().publish(job_file, inputs(azure))
    assert status == ScheduleStatus("dev", NAME, NIGHTLY["cron"], NIGHTLY["time_zone"], True)
    (given,) = published(azure)
    assert azure.sent("PUT", "/schedules/")[0].path.endswith(f"/schedules/{NAME}")
    assert given["trigger"] == {
        "triggerType": "Cron",
        "expression": "30 3 * * mon-fri",
        "timeZone": "W. Europe Standard Time",
        "startTime": "2026-01-01T00:00:00",  # past: without one the first job would start at once
    }
    assert given["isEnabled"] is True and given["tags"] == {"data_version": "0123456789abcdef", **OWN}
    job = given["action"]["jobDefinition"]
    assert given["action"]["actionType"] == "CreateJob" and job["jobType"] == "Pipeline"
    assert job["tags"] == OWN  # by which `train --job` and `notify --unreported` know whose it is
    assert job["inputs"]["data_version"]["value"] == "0123456789abcdef"
    assert job["inputs"]["raw"]["uri"].endswith("/data/fashion/versions/0123456789abcdef")
    assert jobs(azure) == []


def test_publishing_again_sends_the_same_and_uploads_nothing(azure: Azure, job_file: Path) -> None:
    for _ in range(2):
        scheduler().publish(job_file, inputs(azure))
    first, second = published(azure)
    assert first == second
    assert len(azure.sent("PUT", "/codes/")) == 1


def test_publishing_again_brings_data_and_time_up_to_date(azure: Azure, job_file: Path) -> None:
    scheduler().publish(job_file, inputs(azure))
    status = scheduler(cron="0 5 * * *").publish(job_file, inputs(azure, "fedcba9876543210"))
    assert status.cron == "0 5 * * *" and status.is_enabled
    sent = published(azure)[-1]
    assert sent["action"]["jobDefinition"]["inputs"]["data_version"]["value"] == "fedcba9876543210"


def test_a_pause_changes_nothing_else_and_lasts_until_it_is_ended(azure: Azure, job_file: Path) -> None:
    given = inputs(azure)
    scheduler().publish(job_file, given)
    assert scheduler().pause().is_enabled is False
    before, paused = published(azure)
    assert paused == {**before, "isEnabled": False}
    assert scheduler().publish(job_file, given).is_enabled is False
    assert scheduler().resume().is_enabled is True
    assert published(azure)[-1] == before


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_switch_that_is_so_already_is_not_sent(azure: Azure, job_file: Path, action: str) -> None:
    scheduler().publish(job_file, inputs(azure))
    for _ in range(2):
        getattr(scheduler(), action)()
    assert len(published(azure)) == (2 if action == "pause" else 1)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_no_schedule_can_be_switched(azure: Azure, action: str) -> None:
    with pytest.raises(JobError, match=f"^schedule {NAME}: is not there: run `python -m mlops schedule --stage dev`"):
        getattr(scheduler(), action)()


def test_a_schedule_is_removed_and_its_absence_is_no_error(azure: Azure, job_file: Path) -> None:
    scheduler().publish(job_file, inputs(azure))
    for _ in range(2):
        scheduler().remove()
    assert len(azure.sent("DELETE", "/schedules/")) == 1
    assert not any("/schedules/" in id for id in azure.resources)


def test_without_a_cron_there_is_no_schedule_afterwards(azure: Azure, job_file: Path) -> None:
    scheduler().publish(job_file, inputs(azure))
    assert scheduler(cron=None).publish(job_file, inputs(azure)) == ScheduleStatus("dev", None, None, None, False)
    assert not any("/schedules/" in id for id in azure.resources)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"cron": "0 99 * * *"}, "cron '0 99 [*] [*] [*]': hour '99' is not in 0-23"),
        ({"cron": "0 3 1 * *"}, ".*day 1 would be ignored by Azure ML"),
        ({"time_zone": "Europe/Berlin"}, "time_zone 'Europe/Berlin' is unknown: .*Windows"),
    ],
)
def test_a_time_that_azure_would_not_keep_is_refused_before_anything_is_sent(
    azure: Azure, job_file: Path, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=f"^mlops/stages/dev.yaml: azureml.retraining: {words}"):
        scheduler(**changes).publish(job_file, {})
    assert azure.requests == []


def started(job_file: Path, given: dict[str, str]) -> str:
    """Ask for the job of a data version, and return what is told."""
    told: list[str] = []
    scheduler().start_once(job_file, given, told.append)
    return "\n".join(told)


def test_a_new_data_version_starts_one_job_however_often_it_is_asked(azure: Azure, job_file: Path) -> None:
    given = inputs(azure)
    assert started(job_file, given).startswith("job fashion-classifier-dev-0123456789abcdef: started: https://ml.azure")
    assert "was started before, and is " in started(job_file, given)
    assert ": started: " in started(job_file, inputs(azure, "fedcba9876543210"))
    assert jobs(azure) == [f"fashion-classifier-dev-{version}" for version in ("0123456789abcdef", "fedcba9876543210")]


def test_a_paused_schedule_starts_nothing_for_new_data(azure: Azure, job_file: Path) -> None:
    given = inputs(azure)
    scheduler().publish(job_file, given)
    scheduler().pause()
    assert started(job_file, given).endswith(f"is not started, since {NAME} is paused")
    scheduler().resume()
    assert ": started: " in started(job_file, given)
    assert len(jobs(azure)) == 1


def test_a_job_that_failed_is_told_and_not_started_again(azure: Azure, job_file: Path) -> None:
    given = inputs(azure)
    started(job_file, given)
    (job,) = (
        one for id, one in azure.resources.items() if id.endswith("/jobs/fashion-classifier-dev-0123456789abcdef")
    )
    job["properties"]["status"] = "Failed"
    assert started(job_file, given).endswith("was started before, and is failed")
    assert len(jobs(azure)) == 1


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE, Drop(handled=True)], ids=["429", "503", "connection"])
def test_publishing_waits_out_what_passes_by_itself(azure: Azure, job_file: Path, fault: Any) -> None:
    azure.fail("PUT", "/schedules/", fault)
    assert scheduler().publish(job_file, inputs(azure)).is_enabled is True


def test_who_may_not_is_told_about_the_role_and_the_next_call_converges(azure: Azure, job_file: Path) -> None:
    azure.fail("PUT", "/schedules/", FORBIDDEN)
    given = inputs(azure)
    with pytest.raises(JobError, match=f"^schedule {NAME}: 403 .*lacks a role") as raised:
        scheduler().publish(job_file, given)
    assert "\n" not in str(raised.value) and Azure.SECRET not in str(raised.value)
    assert scheduler().publish(job_file, given).is_enabled is True


def test_a_job_that_could_not_be_started_is_started_by_the_next_call(azure: Azure, job_file: Path) -> None:
    azure.fail("PUT", "/jobs/", FORBIDDEN)
    given = inputs(azure)
    with pytest.raises(JobError, match="^job fashion-classifier-dev-0123456789abcdef: 403 "):
        started(job_file, given)
    assert ": started: " in started(job_file, given)


def checkout(folder: Path) -> Path:
    """Return a copy of what jobs are made of: to look through a developer's whole checkout takes the SDK minutes."""
    if not folder.exists():
        for name in ("mlops", "src", "environments"):
            shutil.copytree(
                REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        shutil.copy(REPOSITORY / ".amlignore", folder)
    return folder


def step(azure: Azure, tmp_path: Path, *flags: str, **retraining: Any) -> subprocess.CompletedProcess[str]:
    """Run `python -m mlops schedule` in a process of its own, a fresh one without flags, on a run that has data."""
    stages = write_stages(tmp_path / "stages", dev={"azureml": {"retraining": {**NIGHTLY, **retraining}}})
    version = inputs(azure)["data_version"]
    write_record(tmp_path / "runs" / "one", "data", DataRecord("fashion", version, f"azureml:fashion:{version}"))
    home = checkout(tmp_path / "checkout")
    variables = {**os.environ, "VISIONLINE_STAGES": str(stages), "PYTHONPATH": f"{home}:{home / 'src'}"}
    words = ["schedule", "--stage", "dev", "--run", "one", *flags]
    return run_step(*words, env=variables, cwd=home, fresh=not flags)


def test_the_step_publishes_the_training_pipeline_and_starts_it_for_new_data(azure: Azure, tmp_path: Path) -> None:
    ended = step(azure, tmp_path)
    assert ended.returncode == 0, ended.stderr
    (given,) = published(azure)
    definition = given["action"]["jobDefinition"]
    assert {"prepare", "train", "export", "evaluate", "register"} <= set(definition["jobs"])
    # What the stage serves is asked for when a job runs: at the second one it would be an old version.
    assert definition["jobs"]["evaluate"]["inputs"]["champion"]["value"] == "${{parent.jobs.champion.outputs.champion}}"
    assert [name for name in definition["inputs"] if "champion" in name] == []
    assert jobs(azure) == ["fashion-classifier-dev-0123456789abcdef"]
    assert f"dev: {NAME}: 30 3 * * mon-fri (W. Europe Standard Time), on" in ended.stdout
    assert "job fashion-classifier-dev-0123456789abcdef: started: https://" in ended.stdout
    assert (tmp_path / "runs/one/schedule.json").exists()
    assert Azure.SECRET not in ended.stdout + ended.stderr


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubHost]:
    """Be a workflow of a pull request, in a repository to which dev reports, with data in run `one`."""
    host, event = GitHubHost(), tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5, "head": {"sha": "c0ffee"}}}))
    stages = write_stages(tmp_path / "stages", dev={"report": "github", "azureml": {"retraining": NIGHTLY}})
    place = {"REPOSITORY": "octo/camera", "SHA": "merged", "RUN_ID": "34", "API_URL": host.url, "TOKEN": "ghs_workflow"}
    for name, value in {**place, "EVENT_PATH": str(event)}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("VISIONLINE_STAGES", str(stages))
    yield host
    host.close()


def test_a_scheduled_training_tells_the_commit_that_it_was_published_from(
    azure: Azure, github: GitHubHost, tmp_path: Path
) -> None:
    version = inputs(azure)["data_version"]
    write_record(tmp_path / "runs" / "one", "data", DataRecord("fashion", version, f"azureml:fashion:{version}"))
    assert main(["schedule", "--stage", "dev", "--run", "one"], print) == 0
    (given,) = published(azure)
    scheduled, new_data = given["action"]["jobDefinition"], azure.sent("PUT", "/ws/jobs/")[0].json["properties"]
    word = scheduled["inputs"]["origin"]["value"]
    assert word == new_data["inputs"]["origin"]["value"]
    assert decoded(word) == Origin("github", github.url, "octo/camera", "", "c0ffee", None, "", None)
    assert scheduled["jobs"]["report"]["inputs"]["origin"]["value"] == "${{parent.inputs.origin}}"
    for number in (1, 2):  # what the job's last step does, in one training and the next
        record = RegisterRecord("m", number, "sha256:1", "d", "c0ffee", Verdict("promote", "all rules pass"))
        write_record(tmp_path / "registration", "register", record)
        places = ["--registration", str(tmp_path / "registration"), "--out", str(tmp_path / "notification")]
        assert main(["notify", "--stage", "dev", "--origin", word, *places], print) == 0
        assert github.shown == [("success", f"version {number}: passed: all rules pass")]
        assert github.checks[0]["head_sha"] == "c0ffee"


def test_published_outside_ci_a_schedule_has_nobody_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_REPOSITORY", "SYSTEM_COLLECTIONURI"):
        monkeypatch.delenv(name, raising=False)
    assert schedule._origin_input() == {}


def test_the_step_pauses_and_removes(azure: Azure, job_file: Path, tmp_path: Path) -> None:
    scheduler().publish(job_file, inputs(azure))
    ended = step(azure, tmp_path, "--pause")
    assert (ended.returncode, ended.stdout.strip().endswith(", paused")) == (0, True), ended.stderr
    ended = step(azure, tmp_path, "--remove")
    assert (ended.returncode, ended.stdout.strip()) == (0, "dev: has no schedule now; jobs that it started go on")
    assert not any("/schedules/" in id for id in azure.resources)


def test_the_step_says_a_bad_time_in_one_line(azure: Azure, tmp_path: Path) -> None:
    ended = step(azure, tmp_path, cron="0 99 * * *")
    assert (ended.returncode, ended.stderr.count("\n"), published(azure)) == (1, 1, [])
    assert ended.stderr.startswith("error: mlops/stages/dev.yaml: azureml.retraining: cron '0 99 * * *': hour")


def test_on_the_local_platform_the_step_says_what_cron_is_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", "--stage", "dev"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "python -m mlops data --stage dev --run ID && python -m mlops train --stage dev --run ID" in said
