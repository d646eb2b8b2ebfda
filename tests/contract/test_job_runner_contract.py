"""What every job runner does, whatever runs the jobs. Another adapter joins by a line in PLACES.

The job is two steps, the second after the first. What steps do is each place's own: here processes do it; on the fake
of Azure ML the fake does what it is told to.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from azurefake.jobs import ENDED, Step, on_job, plan, put_output
from azurefake.stages import azure_stage
from azurefake.state import Azure
from pipelines import Workshop, make_workshop
from running_endpoint import wait_for

from mlops.adapters.azureml import jobs as azure_jobs
from mlops.adapters.azureml.jobs import open_job_runner
from mlops.adapters.local.jobs import LocalJobRunner
from mlops.errors import ConfigError, JobError
from mlops.ports import EndedJob, JobResult, JobRunner
from mlops.records import TrainRecord, read_record, write_record

FOLDER = {"type": "uri_folder"}
OUTPUT = "registration"  # which is fetched wherever the job ran
LAST_WORDS = ["line 98", "line 99", "the reason"]
CODE = """
import sys, time
from pathlib import Path
marks, out, word = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
me = "second" if len(sys.argv) > 4 else "first"
(marks / "began").write_text(str(__import__("os").getpid()))
while (marks / "hold").exists():
    time.sleep(0.01)
if (marks / f"{me} fails").exists():
    for number in range(100):
        print("line", number)
    sys.exit("the reason")
(out / "text").write_text(word)
"""


class Place(Protocol):
    """Where jobs run: its runner, and how a test makes its steps go and looks at them."""

    runner: JobRunner
    marks: str
    job_file: Path
    outlives: bool  # whether a job goes on without the process that started it

    def fail(self, step: str) -> None:
        """Let a step fail with LAST_WORDS, from now on."""

    def mend(self) -> None:
        """Let no step fail any more."""

    def hold(self) -> None:
        """Let the first step run until the job is cancelled."""

    def began(self) -> bool:
        """Tell whether a step began."""

    def runs(self) -> bool:
        """Tell whether something of a job still runs."""


class Here:
    """This machine: processes, that look into a folder of marks."""

    def __init__(self, shop: Workshop, folder: Path) -> None:
        self.folder, self.outlives = folder / "marks", False
        self.folder.mkdir()
        self.marks, self.job_file = str(self.folder), shop.job_file
        self.runner: JobRunner = LocalJobRunner(folder / "home", shop.environments, workers=2)

    def fail(self, step: str) -> None:
        (self.folder / f"{step} fails").touch()

    def mend(self) -> None:
        for mark in self.folder.glob("* fails"):
            mark.unlink()

    def hold(self) -> None:
        (self.folder / "hold").touch()

    def began(self) -> bool:
        return (self.folder / "began").exists() and (self.folder / "began").read_text() != ""

    def runs(self) -> bool:
        return Path(f"/proc/{(self.folder / 'began').read_text()}").exists()


class OnAzure:
    """The fake of Azure ML."""

    def __init__(self, job_file: Path, azure: Azure) -> None:
        self.azure, self.marks, self.job_file, self.outlives = azure, "marks", job_file, True
        self.runner: JobRunner = open_job_runner(azure_stage("dev"))
        on_job(azure, "second", self.write)

    def write(self, azure: Azure, step: Step) -> None:
        """Write the text as the step's process would."""
        (job,) = (one for id, one in azure.resources.items() if id.endswith(f"/jobs/{step.job}"))
        put_output(azure, step, "out", {"text": job["properties"]["inputs"]["word"]["value"].encode()})

    def fail(self, step: str) -> None:
        lines = [f"line {number}" for number in range(100)]
        plan(self.azure).failures[step] = "\n".join([*lines, "the reason"])

    def mend(self) -> None:
        plan(self.azure).failures.clear()

    def hold(self) -> None:
        plan(self.azure).held = "first"

    def began(self) -> bool:
        return any(step.status == "Running" for steps in plan(self.azure).steps.values() for step in steps)

    def runs(self) -> bool:
        states = [one["properties"]["status"] for id, one in self.azure.resources.items() if "/ws/jobs/" in id]
        return not all(state in (*ENDED, "CancelRequested") for state in states)


@contextmanager
def local(shop: Workshop, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    yield Here(shop, folder)


@contextmanager
def azureml(shop: Workshop, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    azure: Azure = request.getfixturevalue("azure")
    (shop.environments / "tiny" / "Dockerfile").write_text("FROM tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlops.adapters.azureml.pipelinejob.REPOSITORY", shop.folder)
        patch.setattr(azure_jobs, "FIRST_PAUSE_SECONDS", 0.0)
        yield OnAzure(shop.job_file, azure)


PLACES: dict[str, Callable[..., AbstractContextManager[Place]]] = {"local": local, "azureml": azureml}


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    shop = make_workshop(tmp_path / "shop")
    write_job(shop)
    with PLACES[request.param](shop, request, tmp_path) as opened:
        yield opened


def write_job(shop: Workshop) -> None:
    """Write the job: two steps that get the same words, of which the second needs the first's output."""
    shop.module("work", CODE)
    inputs = {"marks": {"type": "string"}, "word": {"type": "string"}}
    command = "python -m work ${{inputs.marks}} ${{outputs.out}} ${{inputs.word}}"
    shop.component("first", command, inputs=inputs, outputs={"out": FOLDER})
    after = {**inputs, "source": FOLDER}
    shop.component("second", f"{command} ${{{{inputs.source}}}}", inputs=after, outputs={"out": FOLDER})
    bound = {name: f"${{{{parent.inputs.{name}}}}}" for name in inputs}
    source = {"source": "${{parent.jobs.first.outputs.out}}"}
    second = {"inputs": {**bound, **source}, "outputs": {"out": f"${{{{parent.outputs.{OUTPUT}}}}}"}}
    nodes = {"first": {"inputs": bound}, "second": second}
    shop.job(nodes, inputs={"marks": "", "word": "hello"}, outputs={OUTPUT: FOLDER})


def run(place: Place, say: Callable[[str], None] = print, **inputs: str) -> JobResult:
    """Run the job to its end."""
    return place.runner.run(place.job_file, {"marks": place.marks, **inputs}, say)


def text(result: JobResult) -> str:
    return (Path(result.outputs[OUTPUT]) / "text").read_text()


def test_a_job_returns_its_steps_outputs_and_inputs(place: Place, tmp_path: Path) -> None:
    result = run(place, word="goodbye")
    assert text(result) == "goodbye"
    assert {"marks": place.marks, "word": "goodbye"}.items() <= result.inputs.items()
    assert set(result.steps) == {"first", "second"}
    assert all(one.status == "completed" and one.seconds >= 0 and one.log for one in result.steps.values())
    record = TrainRecord(result.name, "d", None, result.steps, result.outputs)
    write_record(tmp_path, "train", record)
    assert read_record(tmp_path, "train", TrainRecord) == record


def test_what_begins_and_ends_is_told(place: Place) -> None:
    told = list[str]()
    run(place, told.append)
    assert [step for step in ("first", "second") if any(line.startswith(step) for line in told)] == ["first", "second"]


def test_each_job_has_a_name_of_its_own(place: Place) -> None:
    assert run(place).name != run(place).name


@pytest.mark.parametrize("step", ["first", "second"])
def test_a_failing_step_is_named_with_its_last_lines_and_a_rerun_ends_the_job(place: Place, step: str) -> None:
    place.fail(step)
    told = list[str]()
    with pytest.raises(JobError, match=f"step '?{step}'? failed") as raised:
        run(place, told.append)
    assert LAST_WORDS[-1] in str(raised.value)
    heard = [line.removeprefix(f"{step} | ") for line in told if line.startswith(f"{step} | ")]
    assert [line for line in heard if line in LAST_WORDS] == LAST_WORDS
    if step == "first":
        assert not [line for line in told if line.startswith("second")]
    place.mend()
    assert text(run(place)) == "hello"


def test_a_rerun_is_harmless(place: Place) -> None:
    first, second = run(place), run(place)
    assert text(first) == text(second) == "hello"
    assert {one.status for one in second.steps.values()} <= {"completed", "reused"}


@pytest.mark.parametrize(
    "inputs, wrong", [({"colour": "red"}, "inputs.colour: is no input of this job"), ({"marks": ""}, "inputs.marks: ")]
)
def test_inputs_that_do_not_fit_are_refused_before_anything_runs(
    place: Place, inputs: dict[str, str], wrong: str
) -> None:
    told = list[str]()
    with pytest.raises(ConfigError, match=wrong) as raised:
        place.runner.run(place.job_file, {"marks": place.marks, **inputs}, told.append)
    assert (told, place.began(), "\n" in str(raised.value)) == ([], False, False)


def test_a_job_file_that_is_not_there_is_refused(place: Place) -> None:
    with pytest.raises(ConfigError, match="absent.yml"):
        place.runner.run(place.job_file.with_name("absent.yml"), {}, print)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let this process be interrupted, as a terminal's is; whoever started the tests may have it ignore that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_leaves_nothing_running(place: Place, interruptible: None) -> None:
    place.hold()

    def interrupt() -> None:
        try:
            wait_for(place.began)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        run(place)
    thread.join()
    wait_for(lambda: not place.runs())


def test_a_job_is_left_and_taken_later_where_it_goes_on_by_itself(place: Place) -> None:
    if not place.outlives:
        with pytest.raises(ConfigError, match="leave --no-wait out"):
            place.runner.submit(place.job_file, {"marks": place.marks})
        with pytest.raises(ConfigError, match="--job a: on this machine a job is waited for"):
            place.runner.result("a", print)
        with pytest.raises(ConfigError, match="leave --unreported out"):
            place.runner.ended(1)
        with pytest.raises(ConfigError, match="job a: output b: on this machine"):
            place.runner.output("a", "b")
        assert not place.began()
        return
    submitted = place.runner.submit(place.job_file, {"marks": place.marks})
    assert submitted.name and submitted.link.startswith("https://")
    result = place.runner.result(submitted.name, print)
    assert (result.name, text(result), result.inputs["word"]) == (submitted.name, "hello", "hello")
    assert place.runner.ended(1) == [EndedJob(result.name, result.inputs, True)]
    assert (place.runner.output(result.name, OUTPUT) / "text").read_text() == "hello"


def test_a_job_that_was_left_and_failed_is_told_as_one_that_was_waited_for(place: Place) -> None:
    if not place.outlives:
        pytest.skip("a job here ends with the process that waits for it")
    place.fail("second")
    submitted = place.runner.submit(place.job_file, {"marks": place.marks})
    for _ in range(2):
        with pytest.raises(JobError, match=f"job {submitted.name}: step second failed: the reason"):
            place.runner.result(submitted.name, print)
