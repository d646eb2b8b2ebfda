"""A training job that fails on (a fake of) Azure ML: its step is told, nothing else changes, a rerun ends it.

The job is the real one, submitted by the real step; only its nodes stand in for themselves. One workspace serves all
tests, which is what a rerun finds, and uploads the code once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azurefake.certificates import Authority
from azurefake.faults import FORBIDDEN, UNAVAILABLE
from azurefake.fixture import OTHERS, complaints, forget_clients, running_azure
from azurefake.jobs import Plan, Step, on_job, put_output
from azurefake.message import Answer
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure

from mlops.adapters.azureml import jobs
from mlops.adapters.azureml.datastore import open_data_store
from mlops.adapters.azureml.following import OF_EACH, PROCESSES
from mlops.cli import main
from mlops.config import REPOSITORY
from mlops.context import run_folder
from mlops.names import JOB_FILE
from mlops.records import RegisterRecord, TrainRecord, Verdict, read_record, write_record

STEPS = list(yaml.safe_load((REPOSITORY / JOB_FILE).read_text(encoding="utf-8"))["jobs"])
TRAIN = ["train", "--stage", "dev", "--run", "r1"]
LOG = "".join(f"line {number}\n" for number in range(50)) + "RuntimeError: image 7 is black\n"
WAITS = "".join(f"epoch {number}\n" for number in range(99)) + "RuntimeError: Connection closed by peer\n"
TRACEBACK = ["Traceback (most recent call last):", "  File train.py", "ValueError: image 7 is black"]
RAISES = "\n".join(TRACEBACK)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, azure_authority: Authority) -> Iterator[Azure]:
    """Put one fake Azure in place of the real one for all tests here."""
    folder = tmp_path_factory.mktemp("azure")
    with pytest.MonkeyPatch.context() as patch, running_azure(folder, azure_authority) as fake:
        for name in (*OTHERS, "GITHUB_REPOSITORY", "SYSTEM_COLLECTIONURI"):
            patch.delenv(name, raising=False)
        for name, value in {**fake.environment(), "VISIONLINE_STAGES": str(write_stages(folder / "stages"))}.items():
            patch.setenv(name, value)
        patch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
        forget_clients()
        yield fake
        forget_clients()
    assert complaints(fake) == []


@pytest.fixture
def going(workspace: Azure, tmp_path: Path) -> Plan:
    """Return how the next job goes; the run has data, and the registration leaves a verdict."""
    workspace.more["jobs"] = plan = Plan()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "images").write_text("pixels")
    write_record(run_folder("r1"), "data", open_data_store(azure_stage("dev")).publish("stripes", tmp_path / "raw"))
    on_job(workspace, "register", register)
    return plan


def register(azure: Azure, step: Step) -> None:
    """Leave what a registration leaves, less the package."""
    verdict = {"outcome": "promote", "reason": "all rules pass", "rules": []}
    record = {"model": "m", "version": 1, "digest": "sha256:1", "data_version": "d", "git_commit": "c"}
    put_output(azure, step, "registration", {"register.json": json.dumps({**record, "verdict": verdict}).encode()})


def trained(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """Run the real step, and return its exit code, what it said, and its error, which is its last line."""
    said: list[str] = []
    code = main(TRAIN, said.append)
    last = capsys.readouterr().err.splitlines()[-1:]  # the SDK's progress bars are before it
    return code, said, "".join(line for line in last if line.startswith("error: "))


def records() -> dict[str, Any]:
    """Return all files of the run, each of which is JSON."""
    return {path.name: json.loads(path.read_text()) for path in run_folder("r1").rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", STEPS)
def test_a_job_that_fails_at_a_step_names_it_and_a_rerun_ends_it(
    going: Plan, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    going.failures[step] = LOG
    code, said, error = trained(capsys)
    (failed,) = going.steps
    page = f"https://ml.azure.com/runs/{failed}?wsid="
    assert error.startswith(f"error: job {failed}: step {step} failed: RuntimeError: image 7 is black: see {page}")
    assert (code, error.endswith(", mend it and run the step again")) == (1, True)
    assert [line for line in said if line.startswith(f"{step} | ")][-2:] == [
        f"{step} | line 49",
        f"{step} | RuntimeError: image 7 is black",
    ]
    assert set(records()) == {"data.json"}

    going.failures.clear()
    code, said, error = trained(capsys)
    assert (code, error, said[-1]) == (0, "", "m: version 1: all rules pass")
    assert set(records()) == {"data.json", "train.json", "register.json"}
    train = read_record(run_folder("r1"), "train", TrainRecord)
    assert list(going.steps) == [failed, train.job]
    assert {name: one.status for name, one in train.steps.items()} == dict.fromkeys(STEPS, "completed")
    registered = read_record(run_folder("r1"), "register", RegisterRecord)
    assert registered == RegisterRecord("m", 1, "sha256:1", "d", "c", Verdict("promote", "all rules pass"))


def left(capsys: pytest.CaptureFixture[str]) -> str:
    """Start the training without waiting, and return its job."""
    assert main([*TRAIN, "--no-wait"], lambda line: None) == 0
    capsys.readouterr()
    return str(json.loads((run_folder("r1") / "submitted.json").read_text())["job"])


@pytest.mark.parametrize("fails", [True, False])
def test_after_the_end_of_a_job_was_taken_the_next_run_of_the_step_starts_another(
    going: Plan, capsys: pytest.CaptureFixture[str], fails: bool
) -> None:
    job = left(capsys)
    going.failures.update({"prepare": "out of disk"} if fails else {})
    assert main([*TRAIN, "--job", job], lambda line: None) == int(fails)
    assert "submitted.json" not in records()
    going.failures.clear()
    assert (trained(capsys)[0], len(going.steps)) == (0, 2)


def test_the_end_of_an_older_job_leaves_the_one_that_goes_on_to_be_taken_up(
    going: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = left(capsys), left(capsys)
    going.failures["prepare"] = "out of disk"
    assert main([*TRAIN, "--job", older], lambda line: None) == 1
    going.failures.clear()
    assert (trained(capsys)[0], list(going.steps)) == (0, [older, newer])


def told_by_process(said: list[str], rank: int) -> list[str]:
    start = f"train, process {rank} | "
    return [line.removeprefix(start) for line in said if line.startswith(start)]


def test_of_a_distributed_step_each_process_tells_its_last_lines(
    going: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    going.failures["train"] = {0: WAITS, 1: RAISES}
    code, said, error = trained(capsys)
    both = "process 0: RuntimeError: Connection closed by peer; process 1: ValueError: image 7 is black"
    assert (code, f"step train failed: {both}: see https://" in error) == (1, True), error
    assert told_by_process(said, 1) == TRACEBACK
    assert told_by_process(said, 0) == WAITS.splitlines()[-OF_EACH:]


@pytest.mark.parametrize("rank", [1, 10])
def test_the_process_whose_log_azure_names_is_told_alone(
    going: Plan, capsys: pytest.CaptureFixture[str], rank: int
) -> None:
    going.failures["train"] = {**dict.fromkeys(range(rank), WAITS), rank: RAISES}
    log = f"user_logs/std_log_process_{rank:02}.txt"
    going.errors["train"] = f"User process 'python' exited with status code 1. Please check log file '{log}'."
    code, said, error = trained(capsys)
    assert f"step train failed: process {rank}: ValueError: image 7 is black: see https://" in error
    assert told_by_process(said, rank) == TRACEBACK
    assert not [line for line in said if ", process " in line and f"process {rank} |" not in line]


def test_of_many_processes_some_are_told_and_the_others_counted(
    going: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    going.failures["train"] = dict.fromkeys(range(PROCESSES + 3), RAISES)
    code, said, error = trained(capsys)
    last = f"process {PROCESSES - 1}: ValueError: image 7 is black; [3 processes are left out]: see https://"
    assert last in error and f"process {PROCESSES}:" not in error
    assert len([line for line in said if ", process " in line]) == len(TRACEBACK) * PROCESSES


@pytest.fixture
def hasty(workspace: Azure, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Let nobody wait between two tries."""
    monkeypatch.setattr("azure.core.pipeline.policies.RetryPolicy.get_backoff_time", lambda *_: 0)
    yield workspace
    workspace.faults.clear()


@pytest.mark.parametrize("fault", [Answer(404, None), FORBIDDEN, UNAVAILABLE], ids=lambda one: str(one.status))
def test_a_log_that_cannot_be_read_for_a_while_ends_no_wait(
    hasty: Azure, going: Plan, capsys: pytest.CaptureFixture[str], fault: Answer
) -> None:
    going.logs["train"] = "epoch 1\nepoch 2\n"
    going.looks = 3
    hasty.fail("GET", "std_log", *[fault] * (10 if fault.status == 503 else 2))
    code, said, error = trained(capsys)
    assert (code, error) == (0, "")
    assert (
        len([line for line in said if line.startswith(f"train: its log can't be read: a step's log: {fault.status}")])
        == 1
    )
    assert [line for line in said if line.startswith("train | ")] == ["train | epoch 1", "train | epoch 2"]


@pytest.mark.parametrize("is_distributed", [False, True])
def test_a_failed_job_whose_log_cannot_be_read_is_told_as_failed(
    hasty: Azure, going: Plan, capsys: pytest.CaptureFixture[str], is_distributed: bool
) -> None:
    going.failures["train"] = {0: WAITS, 1: RAISES} if is_distributed else LOG
    hasty.fail("GET", "std_log", *[FORBIDDEN] * 50)
    code, said, error = trained(capsys)
    told = (
        "Execution failed. User process 'python' exited with status code 1; its log can't be read: a step's log: 403 "
    )
    assert (code, f": step train failed: {told}" in error) == (1, True), error
    assert error.endswith("mend it and run the step again") and set(records()) == {"data.json"}


def test_of_a_distributed_step_the_logs_that_can_be_read_are_told(
    hasty: Azure, going: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    going.failures["train"] = {0: WAITS, 1: RAISES}
    hasty.fail("GET", "std_log_process_00", *[FORBIDDEN] * 50)
    code, said, error = trained(capsys)
    assert (
        "step train failed: process 1: ValueError: image 7 is black; its log can't be read: a step's log: 403" in error
    )


def test_a_failed_job_whose_history_cannot_be_asked_is_told_as_failed(
    hasty: Azure, going: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    going.failures["train"] = LOG
    hasty.fail("GET", ".train/details", *[FORBIDDEN] * 50)
    code, said, error = trained(capsys)
    assert (code, ": step train failed: why can't be asked: the job's history: 403 " in error) == (1, True), error


def test_what_a_step_or_azure_writes_of_secrets_is_told_without_them(
    going: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = STEPS[:2]
    going.logs[first] = f"GET https://a.blob.core.windows.net/c/b?sig={Azure.SECRET}\n"
    going.failures[second] = f"AccountKey={Azure.SECRET};\nRuntimeError: Authorization: Bearer {Azure.SECRET}\n"
    going.errors[second] = f"It could not log in with password={Azure.SECRET}"
    code, said, error = trained(capsys)
    assert code == 1 and "RuntimeError: [hidden]" in error
    assert any(line.startswith(f"{first} | GET https://") and "[hidden]" in line for line in said)
    told = "\n".join([*said, error, *map(json.dumps, records().values())])
    assert Azure.SECRET not in told, told
