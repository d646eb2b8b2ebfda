"""What the job runner sends to Azure ML, how it follows a job to its end, and what it makes of each bad one."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from azurefake.faults import FORBIDDEN, THROTTLED, UNAVAILABLE, Drop
from azurefake.jobs import Plan, Step, Work, on_job, plan, put_output
from azurefake.message import Answer
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from mlops.adapters.azureml import jobs
from mlops.adapters.azureml.following import AT_ONCE
from mlops.adapters.azureml.datastore import open_data_store
from mlops.adapters.azureml.jobs import AzureJobRunner, open_job_runner
from mlops.cli import main
from mlops.config import REPOSITORY
from mlops.errors import ConfigError, JobError
from pipelines import Workshop
from running_endpoint import wait_for
from step_process import StepProcess, run_step

STEPS = ["prepare", "train", "champion", "export", "evaluate", "register", "report"]
TRAINING = {
    "cluster": "gpu-cluster",
    "nodes": 2,
    "processes_per_node": 4,
    "shm_size": "16g",
    "variables": {"NCCL_DEBUG": "INFO"},
}


def silent(line: str) -> None:
    """Say nothing."""


@pytest.fixture
def stage(azure: Azure) -> Any:
    return azure_stage("dev", azureml={"training": TRAINING})


@pytest.fixture
def going(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return how the next job goes; nobody waits long between two looks at it."""
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
    return plan(azure)


@pytest.fixture
def runner(stage: Any, going: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AzureJobRunner:
    """Return the runner; the job's environments are two small folders."""
    for name in ("tiny", "other"):
        folder = tmp_path / "environments" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"FROM {name}")
    monkeypatch.setattr("mlops.adapters.azureml.pipelinejob.REPOSITORY", tmp_path)
    return open_job_runner(stage)


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    """Write a job of two steps, of which the second trains on several processes."""
    workshop = Workshop(tmp_path / "workshop")
    workshop.code.mkdir(parents=True)
    workshop.module("step", "print('a step')")
    (workshop.code / ".amlignore").write_text("/.venv/\n")
    (workshop.code / ".venv").mkdir()
    (workshop.code / ".venv" / "large").write_text("not code")
    made = {"outputs": {"out": {"type": "uri_folder"}}}
    workshop.component(
        "first",
        "python step.py ${{inputs.text}} $[[${{inputs.number}}]] ${{outputs.out}}",
        inputs={"text": {"type": "string"}, "number": {"type": "integer", "optional": True}},
        **made,
    )
    workshop.component(
        "second",
        "python step.py ${{inputs.folder}} ${{outputs.out}}",
        inputs={"folder": {"type": "uri_folder"}},
        distribution={"type": "pytorch", "process_count_per_instance": 1},
        **made,
    )
    nodes = {
        "first": {
            "inputs": {"text": "${{parent.inputs.text}}", "number": "${{parent.inputs.number}}"},
        },
        "second": {
            "inputs": {"folder": "${{parent.jobs.first.outputs.out}}"},
            "outputs": {"out": "${{parent.outputs.registration}}"},
        },
    }
    return workshop.job(
        nodes,
        inputs={"text": "", "number": ""},
        outputs={"registration": {"type": "uri_folder"}},
        settings={"default_compute": "azureml:nowhere"},
    )


def registered(record: dict[str, Any]) -> Work:
    """Return what a step does that leaves a register.json."""

    def work(azure: Azure, step: Step) -> None:
        outputs = step.node["outputs"]
        put_output(azure, step, next(iter(outputs)), {"register.json": json.dumps(record).encode()})

    return work


def sent_job(azure: Azure) -> dict[str, Any]:
    """Return the job that was put."""
    return dict(azure.sent("PUT", "/ws/jobs/")[-1].json["properties"])


def test_a_job_gets_the_stages_clusters_nodes_and_processes(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    runner.run(job_file, {"text": "hello"}, silent)
    properties = sent_job(azure)
    assert properties["settings"]["default_compute"].endswith("/computes/cpu-cluster")
    second = properties["jobs"]["second"]
    assert second["computeId"].endswith("/computes/gpu-cluster")
    assert second["distribution"] == {"distribution_type": "PyTorch", "process_count_per_instance": 4}
    assert second["resources"] == {"instance_count": 2, "shm_size": "16g"}
    assert second["environment_variables"] == {"NCCL_DEBUG": "INFO"}
    assert "distribution" not in properties["jobs"]["first"]


def test_an_input_without_a_value_goes_with_what_is_bound_to_it(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    runner.run(job_file, {"text": "hello"}, silent)
    properties = sent_job(azure)
    assert {name: one["value"] for name, one in properties["inputs"].items()} == {"text": "hello"}
    assert set(properties["jobs"]["first"]["inputs"]) == {"text"}
    runner.run(job_file, {"text": "hello", "number": "3"}, silent)
    assert set(sent_job(azure)["jobs"]["first"]["inputs"]) == {"text", "number"}


def test_outputs_are_written_as_they_come(azure: Azure, runner: AzureJobRunner, job_file: Path) -> None:
    runner.submit(job_file, {"text": "hello"})
    assert sent_job(azure)["outputs"] == {"registration": {"mode": "ReadWriteMount", "jobOutputType": "uri_folder"}}


def test_code_is_uploaded_without_what_amlignore_names_and_only_once(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    runner.run(job_file, {"text": "hello"}, silent)
    names = [key[2] for key in azure.blobs if key[2].endswith("step.py")]
    assert len(names) == 1 and not [key for key in azure.blobs if "large" in key[2]]
    before = len(azure.sent("PUT", "step.py"))
    runner.run(job_file, {"text": "again"}, silent)
    assert len(azure.sent("PUT", "step.py")) == before


def test_environments_and_clusters_come_before_the_job(azure: Azure, runner: AzureJobRunner, job_file: Path) -> None:
    runner.run(job_file, {"text": "hello"}, silent)
    order = [one.path for one in azure.sent("PUT") if one.host == "management.azure.com"]
    kinds = [
        part for path in order for part in ("computes", "environments", "codes", "components", "jobs") if part in path
    ]
    assert sorted(set(kinds), key=kinds.index) == ["computes", "environments", "codes", "components", "jobs"]


def test_each_change_is_told_once_and_the_result_holds_steps_and_outputs(
    azure: Azure, going: Plan, runner: AzureJobRunner, job_file: Path
) -> None:
    going.looks, going.reused = 3, {"first"}
    on_job(azure, "second", registered({"version": 1}))
    said: list[str] = []
    result = runner.run(job_file, {"text": "hello"}, said.append)
    assert "ml.azure.com" in said[0]
    assert said[1:] == ["first: reused", "second: running", "second: completed"]
    assert {name: step.status for name, step in result.steps.items()} == {"first": "reused", "second": "completed"}
    assert json.loads((Path(result.outputs["registration"]) / "register.json").read_text()) == {"version": 1}


def test_what_a_step_writes_is_told_while_it_writes_it_and_once(
    going: Plan, runner: AzureJobRunner, job_file: Path
) -> None:
    going.looks, going.logs["second"] = 4, "epoch 1\nepoch 2\n"
    said: list[str] = []
    runner.run(job_file, {"text": "hello"}, said.append)
    told = [line for line in said if line.startswith("second")]
    assert sorted(told[:3]) == ["second | epoch 1", "second | epoch 2", "second: running"]
    assert told[3:] == ["second: completed"]


@pytest.mark.parametrize("step", ["first", "second"])
def test_a_failed_job_names_the_step_and_tells_its_last_lines(
    going: Plan, runner: AzureJobRunner, job_file: Path, step: str
) -> None:
    going.failures[step] = "".join(f"line {number}\n" for number in range(50)) + "CUDA out of memory\n"
    said: list[str] = []
    with pytest.raises(JobError, match=rf"step {step} failed: CUDA out of memory: see https://ml.azure.com"):
        runner.run(job_file, {"text": "hello"}, said.append)
    told = [line for line in said if line.startswith(f"{step} | ")]
    assert told[0] == f"{step} | [{51 - AT_ONCE} lines are left out]"
    assert (len(told), told[-1]) == (1 + AT_ONCE, f"{step} | CUDA out of memory")


def test_a_step_that_wrote_nothing_is_named_with_what_azure_says(
    going: Plan, runner: AzureJobRunner, job_file: Path
) -> None:
    going.errors["first"] = "The image can't be pulled."
    with pytest.raises(JobError, match="step first failed: The image can't be pulled"):
        runner.run(job_file, {"text": "hello"}, silent)


def test_a_job_that_somebody_cancels_is_no_failure_of_a_step(
    going: Plan, runner: AzureJobRunner, job_file: Path
) -> None:
    going.cancelled = "second"
    with pytest.raises(JobError, match="job job-.*: was cancelled"):
        runner.run(job_file, {"text": "hello"}, silent)


def test_a_node_that_is_taken_away_is_waited_for_again(going: Plan, runner: AzureJobRunner, job_file: Path) -> None:
    going.preempted = {"second"}
    said: list[str] = []
    assert runner.run(job_file, {"text": "hello"}, said.append).steps["second"].status == "completed"
    assert said[-4:] == ["second: running", "second: queued", "second: running", "second: completed"]


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE, Drop()], ids=["429", "503", "dropped"])
def test_the_wait_outlasts_what_passes(
    azure: Azure, going: Plan, runner: AzureJobRunner, job_file: Path, fault: Any
) -> None:
    submitted = runner.submit(job_file, {"text": "hello"})
    azure.fail("GET", f"/jobs/{submitted.name}", fault)
    azure.fail("GET", "/children", fault)
    assert runner.result(submitted.name, silent).name == submitted.name


def test_an_outage_is_told_and_waited_out(
    azure: Azure, runner: AzureJobRunner, job_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure.core.pipeline.policies.RetryPolicy.get_backoff_time", lambda *_: 0)
    submitted, said = runner.submit(job_file, {"text": "hello"}), list[str]()
    azure.fail("GET", f"/jobs/{submitted.name}", *[UNAVAILABLE] * 12)
    runner.result(submitted.name, said.append)
    assert any("asked in vain, asking again" in line and "503" in line for line in said)
    monkeypatch.setattr(jobs, "OUTAGE_SECONDS", 0.0)
    azure.fail("GET", f"/jobs/{submitted.name}", *[UNAVAILABLE] * 12)
    with pytest.raises(JobError, match="503"):
        runner.result(submitted.name, silent)


@pytest.mark.parametrize("request_", [("PUT", "/jobs/"), ("PUT", "/components/"), ("PUT", "/computes/")])
def test_a_missing_role_is_said_and_no_job_starts(
    azure: Azure, runner: AzureJobRunner, job_file: Path, request_: tuple[str, str]
) -> None:
    azure.fail(*request_, *[FORBIDDEN] * 9)
    with pytest.raises(Exception, match="403.*preflight") as raised:
        runner.run(job_file, {"text": "hello"}, silent)
    assert "\n" not in str(raised.value) and Azure.SECRET not in str(raised.value)
    assert not [id for id in azure.resources if "/jobs/" in id]


def test_a_quota_that_is_used_up_is_said(azure: Azure, runner: AzureJobRunner, job_file: Path) -> None:
    said = {"error": {"code": "QuotaExceeded", "message": "The request exceeds your quota of 24 NCADSA100v4 cores."}}
    azure.fail("PUT", "/jobs/", *[Answer(400, said)] * 3)
    with pytest.raises(JobError, match="exceeds your quota"):
        runner.run(job_file, {"text": "hello"}, silent)


@pytest.mark.parametrize(
    "inputs, wrong",
    [
        ({"text": ""}, "inputs.text"),
        ({"text": "a", "colour": "red"}, "colour"),
        ({"text": "a", "number": "x"}, "number"),
    ],
)
def test_wrong_inputs_are_named_before_anything_is_sent(
    azure: Azure, runner: AzureJobRunner, job_file: Path, inputs: dict[str, str], wrong: str
) -> None:
    with pytest.raises(ConfigError, match=wrong):
        runner.run(job_file, inputs, silent)
    assert azure.sent("PUT") == []


def test_a_job_that_was_not_waited_for_is_waited_for_later(
    azure: Azure, going: Plan, runner: AzureJobRunner, job_file: Path
) -> None:
    submitted = runner.submit(job_file, {"text": "hello"})
    assert "ml.azure.com" in submitted.link and azure.sent("GET", f"/jobs/{submitted.name}") == []
    assert set(runner.result(submitted.name, silent).steps) == {"first", "second"}
    with pytest.raises(JobError, match="404"):
        runner.result("unknown", silent)


@pytest.mark.parametrize(
    "tags, said",
    [
        ({"stage": "qa", "model": "fashion-classifier"}, "is stage qa's, not dev's: name the --stage that started it"),
        ({"model": "fashion-classifier"}, "is no stage's, not dev's: name the --stage that started it"),
        ({"stage": "dev", "model": "birds"}, "is model birds's, not fashion-classifier's: name a job of this"),
        ({"stage": "dev"}, "is no model's, not fashion-classifier's: name a job of this stage file's model"),
    ],
)
def test_a_job_of_another_stage_or_model_is_refused_in_one_line_and_not_waited_for(
    azure: Azure, going: Plan, runner: AzureJobRunner, job_file: Path, tags: dict[str, str], said: str
) -> None:
    submitted = runner.submit(job_file, {"text": "hello"})
    going.held = "first"
    assert sent_job(azure)["tags"] == {"stage": "dev", "model": "fashion-classifier"}
    next(one for id, one in azure.resources.items() if id.endswith(submitted.name))["properties"]["tags"] = tags
    with pytest.raises(JobError, match=f"^job {submitted.name}: {said}"):
        runner.result(submitted.name, silent)
    assert not azure.sent("GET", "/children")


def test_a_job_that_is_taken_later_is_recorded_as_one_that_was_waited_for(
    azure: Azure, runner: AzureJobRunner, job_file: Path
) -> None:
    inputs = {"text": "hello", "number": "3"}
    waited = runner.run(job_file, inputs, silent)
    taken = runner.result(runner.submit(job_file, inputs).name, silent)
    assert waited.inputs == taken.inputs == inputs
    placed = {name: path.replace(taken.name, waited.name) for name, path in taken.outputs.items()}
    assert (placed, set(taken.steps)) == (waited.outputs, set(waited.steps))


@pytest.fixture
def prepared(azure: Azure, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a step's process whose run has data."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "images").write_text("pixels")
    data = open_data_store(azure_stage("dev")).publish("stripes", tmp_path / "raw")
    run = Path(os.environ["VISIONLINE_RUNS"]) / "r1"
    run.mkdir(parents=True)
    (run / "data.json").write_text(json.dumps({"name": data.name, "version": data.version, "path": data.path}))
    stages = write_stages(tmp_path / "stages")
    return {
        **os.environ,
        **azure.environment(),
        "VISIONLINE_STAGES": str(stages),
        "PYTHONPATH": str(REPOSITORY / "src"),
    }


STEP = ["train", "--stage", "dev", "--run", "r1"]


def test_a_step_that_is_stopped_cancels_its_job(azure: Azure, prepared: dict[str, str]) -> None:
    plan(azure).held = "train"
    process = StepProcess(STEP, prepared)
    wait_for(lambda: azure.sent("GET", "/children"))
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate()
    (job,) = plan(azure).steps
    assert azure.sent("POST", f"/jobs/{job}/cancel")
    assert (process.returncode, f"job {job}: cancelling it" in out) == (130, True), error
    assert Azure.SECRET not in out + error


VERDICT = {"outcome": "reject", "reason": "too bad", "rules": []}
TOLD = {"model": "m", "version": None, "digest": None, "data_version": "d", "git_commit": "c", "verdict": VERDICT}


def killed_while_it_waits(azure: Azure, prepared: dict[str, str]) -> str:
    """Start the step, kill it while its job goes on, and return the job."""
    plan(azure).held = "train"
    process = StepProcess(STEP, prepared)
    wait_for(lambda: azure.sent("GET", "/children"))
    process.kill()
    process.communicate()
    plan(azure).held = ""
    (job,) = plan(azure).steps
    return job


def again(prepared: dict[str, str], monkeypatch: pytest.MonkeyPatch, *flags: str) -> tuple[int, str]:
    """Run the step again in this process, and return its exit code and what it says."""
    monkeypatch.setenv("VISIONLINE_STAGES", prepared["VISIONLINE_STAGES"])
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
    said: list[str] = []
    return main([*STEP, *flags], said.append), "\n".join(said)


def test_a_step_that_was_killed_takes_up_its_job_when_it_is_run_again(
    azure: Azure, prepared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = killed_while_it_waits(azure, prepared)
    on_job(azure, "register", registered(TOLD))
    code, said = again(prepared, monkeypatch)
    assert (code, list(plan(azure).steps)) == (2, [job])
    assert f"job {job}: was started by this run before: https://ml.azure.com/runs/{job}" in said
    again(prepared, monkeypatch)  # its verdict was taken: it would be an old one
    assert len(plan(azure).steps) == 2


@pytest.mark.parametrize("end", ["it failed", "it was never submitted", "other inputs"])
def test_a_job_that_cannot_be_taken_up_gives_way_to_another(
    azure: Azure,
    prepared: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: str,
) -> None:
    job = killed_while_it_waits(azure, prepared)
    on_job(azure, "register", registered(TOLD))
    if end == "it failed":
        plan(azure).failures["train"] = "out of memory"
        assert again(prepared, monkeypatch)[0] == 1
        assert f"job {job}: step train failed: out of memory" in capsys.readouterr().err
        plan(azure).failures.clear()
    elif end == "it was never submitted":
        azure.delete(next(id for id in azure.resources if id.endswith(f"/jobs/{job}")))
    code, said = again(prepared, monkeypatch, *(("--set", "epochs=7") if end == "other inputs" else ()))
    assert (code, len(plan(azure).steps)) == (2, 2)
    assert ("and is left alone" in said) == (end == "other inputs")


def test_the_step_does_not_wait_where_it_shall_not_and_takes_the_verdict_later(
    azure: Azure, prepared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_step(*STEP, "--no-wait", "--set", "epochs=7", env=prepared, fresh=True)
    out, error = done.stdout, done.stderr
    record = json.loads((Path(prepared["VISIONLINE_RUNS"]) / "r1" / "submitted.json").read_text())
    assert f"--job {record['job']}" in out, error
    properties = sent_job(azure)
    assert list(properties["jobs"]) and set(properties["jobs"]) == set(STEPS)
    assert properties["inputs"]["epochs"]["value"] == "7" and "champion" not in properties["inputs"]

    on_job(azure, "register", registered(TOLD))
    monkeypatch.setenv("VISIONLINE_STAGES", prepared["VISIONLINE_STAGES"])
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
    said: list[str] = []
    assert main(["train", "--stage", "dev", "--run", "r2", "--job", record["job"]], said.append) == 2
    assert said[-1].endswith("nothing registered: too bad")
    taken = json.loads((Path(prepared["VISIONLINE_RUNS"]) / "r2" / "train.json").read_text())
    assert (taken["data_version"], taken["champion"]) == (record["data_version"], None)
    assert Azure.SECRET not in out + error + "".join(said)
