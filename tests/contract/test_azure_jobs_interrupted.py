"""The job runner where something comes between: a lost answer, a signal after a signal, a token that runs out."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import yaml
from azurefake.faults import THROTTLED, Drop
from azurefake.jobs import Step, on_job, plan, put_output
from azurefake.message import refusal
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from pipelines import ENVIRONMENT, make_workshop
from running_endpoint import wait_for
from step_process import StepProcess

from mlops.adapters.azureml import jobcancel, jobs
from mlops.adapters.azureml.datastore import open_data_store
from mlops.adapters.azureml.jobs import AzureJobRunner, open_job_runner
from mlops.errors import JobError

FOLDER = {"type": "uri_folder"}
NOT_FOUND = refusal(404, "UserError", "The job was not found.")


def silent(line: str) -> None:
    """Say nothing."""


@pytest.fixture
def runner(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AzureJobRunner:
    """Return a runner that looks often, and whose environment is a small folder."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
    shop = make_workshop(tmp_path)
    (shop.environments / "tiny" / "Dockerfile").write_text("FROM tiny")
    shop.module("step", "print('a step')\n")
    monkeypatch.setattr("mlops.adapters.azureml.pipelinejob.REPOSITORY", tmp_path)
    return open_job_runner(azure_stage("dev"))


@pytest.fixture
def job_file(runner: AzureJobRunner, tmp_path: Path) -> Path:
    """Write a job of one step that registers something."""
    component = {
        "type": "command",
        "name": "only",
        "version": "1",
        "inputs": {"word": {"type": "string"}},
        "outputs": {"out": FOLDER},
        "code": "code",
        "environment": ENVIRONMENT,
        "command": "python -m step ${{inputs.word}} ${{outputs.out}}",
    }
    bound = {"inputs": {"word": "${{parent.inputs.word}}"}, "outputs": {"out": "${{parent.outputs.registration}}"}}
    node = {"type": "command", "component": "only.yml", **bound}
    job = {"type": "pipeline", "inputs": {"word": "a"}, "outputs": {"registration": FOLDER}, "jobs": {"only": node}}
    (tmp_path / "only.yml").write_text(yaml.safe_dump(component))
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))
    return tmp_path / "job.yml"


def leave(azure: Azure, step: Step) -> None:
    """Leave a file where the step's output is."""
    put_output(azure, step, "out", {"register.json": b"{}", "package/model.onnx": b"weights"})


def test_a_submission_whose_answer_is_lost_is_the_job_that_is_there(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    on_job(azure, "only", leave)
    azure.fail("PUT", "/ws/jobs/", Drop(handled=True))
    result = runner.run(job_file, {}, silent)
    assert list(plan(azure).steps) == [result.name]
    assert result.steps["only"].status == "completed"


def test_outputs_come_from_where_the_history_says_and_no_path_of_ours_keeps_a_step_from_reuse(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    on_job(azure, "only", leave)
    registration = Path(runner.run(job_file, {}, silent).outputs["registration"])
    assert (registration / "package" / "model.onnx").read_bytes() == b"weights"
    first = azure.sent("PUT", "/ws/jobs/")[-1].json["properties"]
    runner.run(job_file, {}, silent)
    second = azure.sent("PUT", "/ws/jobs/")[-1].json["properties"]
    assert (
        first["outputs"]
        == second["outputs"]
        == {"registration": {"mode": "ReadWriteMount", "jobOutputType": "uri_folder"}}
    )
    assert first["jobs"] == second["jobs"]


def test_an_output_that_is_not_there_is_an_error_and_no_empty_folder(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    on_job(azure, "only", lambda azure, step: None)
    with pytest.raises(JobError, match="output registration: is not there though"):
        runner.run(job_file, {}, silent)


@pytest.mark.parametrize("part", ["/rundata", "/batchgetresolveduris"])
def test_a_download_that_breaks_off_is_taken_up_again(
    azure: Azure, runner: AzureJobRunner, job_file: Path, part: str
) -> None:
    on_job(azure, "only", leave)
    azure.fail("*", part, Drop(handled=True))
    registration = Path(runner.run(job_file, {}, silent).outputs["registration"])
    assert (registration / "register.json").read_bytes() == b"{}"


def test_a_token_that_runs_out_while_the_job_goes_on_is_renewed(
    azure: Azure, runner: AzureJobRunner, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.5)
    on_job(azure, "only", leave)
    azure.token_seconds, plan(azure).looks = 1.0, 4
    assert runner.run(job_file, {}, silent).steps["only"].status == "completed"
    assert len(azure.sent("POST", "/oauth2/v2.0/token")) > 2


def test_a_submission_that_is_still_on_its_way_is_cancelled_once_it_is_there(
    azure: Azure, runner: AzureJobRunner, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobcancel, "PAUSE_SECONDS", 0.0)
    job = runner._job(runner.submit(job_file, {}).name)
    azure.fail("POST", "/cancel", *[NOT_FOUND] * 3)
    assert jobcancel.cancel(job) == f"job {job.name}: is being cancelled"
    assert (len(azure.sent("POST", "/cancel")), state_of_job(azure)) == (4, "CancelRequested")


def test_of_a_job_that_was_never_submitted_it_is_said_and_not_asked_for_ever(
    azure: Azure, runner: AzureJobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobcancel, "PAUSE_SECONDS", 0.0)
    assert jobcancel.cancel(runner._job("lost")) == "job lost: was not submitted yet"
    assert len(azure.sent("POST", "/cancel")) == 4


@pytest.fixture
def process(azure: Azure, tmp_path: Path) -> StepProcess:
    """Start the real step on a job whose first step never ends."""
    plan(azure).held = "prepare"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "images").write_text("pixels")
    data = open_data_store(azure_stage("dev")).publish("stripes", tmp_path / "raw")
    run = Path(os.environ["VISIONLINE_RUNS"]) / "r1"
    run.mkdir(parents=True)
    (run / "data.json").write_text(json.dumps({"name": data.name, "version": data.version, "path": data.path}))
    stages = {"VISIONLINE_STAGES": str(write_stages(tmp_path / "stages"))}
    return StepProcess(["train", "--stage", "dev", "--run", "r1"], {**os.environ, **azure.environment(), **stages})


def state_of_job(azure: Azure) -> str:
    (job,) = plan(azure).steps
    found = next(one for id, one in azure.resources.items() if id.endswith(f"/jobs/{job}"))
    return str(found["properties"]["status"])


def test_a_second_signal_does_not_keep_the_job_from_being_cancelled(azure: Azure, process: StepProcess) -> None:
    wait_for(lambda: azure.sent("GET", "/children"))
    azure.fail("POST", "/cancel", THROTTLED)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: azure.sent("POST", "/cancel"))
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate()
    assert (process.returncode, state_of_job(azure)) == (130, "CancelRequested"), error
    assert ": is being cancelled" in out and Azure.SECRET not in out + error


def test_a_signal_while_the_job_is_being_submitted_cancels_it_too(azure: Azure, process: StepProcess) -> None:
    azure.fail("PUT", "/ws/jobs/", Drop(handled=True))
    wait_for(lambda: azure.sent("PUT", "/ws/jobs/"))
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate()
    assert (process.returncode, state_of_job(azure)) == (130, "CancelRequested"), out + error
