"""The local job runner with real processes: order, side by side, reuse, failures, kills, torchrun."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipelines import Workshop, make_workshop

from mlops.adapters.local.jobs import LocalJobRunner
from mlops.config import REPOSITORY
from mlops.errors import ConfigError, JobError
from mlops.ports import JobResult

FOLDER = {"type": "uri_folder"}
TEXT = {"type": "string"}
DEADLINE = 30.0

# Code that the steps share: a step writes a mark into a folder outside, or waits for another's.
MARKS = f"""
import sys, time
from pathlib import Path

def mark(folder, name, text=""):
    temporary = Path(folder) / f".{{name}}"
    temporary.write_text(text)
    temporary.rename(Path(folder) / name)

def await_mark(folder, name):
    deadline = time.monotonic() + {DEADLINE}
    while not (Path(folder) / name).exists():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain for {{name}}")
        time.sleep(0.01)
"""
# Copies its input and adds a line, counting in the marks how often it ran.
APPEND = """
import sys
from pathlib import Path
source, target, word = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
(target / "text").write_text((source / "text").read_text() + word)
print("appended", word)
"""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds. Fails where it does not in time."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def is_gone(process: int) -> bool:
    """Tell whether a process has ended; one that nobody has waited for yet counts as ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


class Bench:
    """A workshop, a runner over it, and what the runner reported."""

    def __init__(self, shop: Workshop, home: Path, marks: Path) -> None:
        self.shop, self.home, self.marks = shop, home, marks
        self.lines: list[str] = []

    def run(self, report: Callable[[str], None] | None = None, **inputs: str) -> JobResult:
        runner = LocalJobRunner(self.home, self.shop.environments, workers=2)
        return runner.run(self.shop.job_file, inputs, report or self.lines.append)

    def seen(self, name: str) -> bool:
        return (self.marks / name).exists()

    def mark(self, name: str) -> None:
        (self.marks / name).touch()

    def await_mark(self, name: str) -> None:
        until(lambda: self.seen(name), f"the mark {name} stands")

    def step(self, name: str, body: str, **component: Any) -> dict[str, Any]:
        """Write a component of one module that gets the marks' folder and its output, and return its node."""
        self.shop.module(name, "from marks import mark, await_mark\nimport sys\nmarks, out = sys.argv[1:3]\n" + body)
        command = f"python -m {name} ${{{{inputs.marks}}}} ${{{{outputs.out}}}}"
        self.shop.component(name, command, inputs={"marks": TEXT}, outputs={"out": FOLDER}, **component)
        return {"inputs": {"marks": str(self.marks)}}

    def chain(self, **component: Any) -> None:
        """Make a job of two steps that append to the text of the folder `raw`."""
        self.shop.module("append", APPEND)
        command = "python -m append ${{inputs.source}} ${{outputs.target}} ${{inputs.word}}"
        inputs = {"source": FOLDER, "word": TEXT}
        self.shop.component("append", command, inputs=inputs, outputs={"target": FOLDER}, **component)
        first = {"component": "append.yml", "inputs": {"source": "${{parent.inputs.raw}}", "word": "one"}}
        second = {
            "component": "append.yml",
            "inputs": {"source": "${{parent.jobs.first.outputs.target}}", "word": "${{parent.inputs.word}}"},
            "outputs": {"target": "${{parent.outputs.text}}"},
        }
        self.shop.job(
            {"first": first, "second": second}, inputs={"raw": FOLDER, "word": "two"}, outputs={"text": FOLDER}
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench in folders with spaces in their names."""
    shop = make_workshop(tmp_path / "a shop")
    shop.module("marks", MARKS)
    (tmp_path / "the marks").mkdir()
    return Bench(shop, tmp_path / "the home", tmp_path / "the marks")


@pytest.fixture
def raw(tmp_path: Path) -> str:
    """A folder with a text in it."""
    (tmp_path / "raw data").mkdir()
    (tmp_path / "raw data" / "text").write_text("zero")
    return str(tmp_path / "raw data")


def statuses(result: JobResult) -> dict[str, str]:
    return {name: step.status for name, step in result.steps.items()}


REUSED = {"first": "reused", "second": "reused"}
MADE = {"first": "completed", "second": "completed"}


def test_steps_run_in_order_and_hand_on_their_outputs(bench: Bench, raw: str) -> None:
    bench.chain()
    result = bench.run(raw=raw)
    assert Path(result.outputs["text"], "text").read_text() == "zeroonetwo"
    assert statuses(result) == MADE
    assert [line.split(" in ")[0] for line in bench.lines] == [
        "first | started",
        "first | appended one",
        "first | done",
        "second | started",
        "second | appended two",
        "second | done",
    ]


def test_each_step_has_a_log_file_of_its_own(bench: Bench, raw: str) -> None:
    bench.chain()
    steps = bench.run(raw=raw).steps
    assert [Path(steps[name].log).read_text() for name in ("first", "second")] == ["appended one\n", "appended two\n"]


def test_independent_steps_run_side_by_side(bench: Bench) -> None:
    a = bench.step("a", "mark(marks, 'a')\nawait_mark(marks, 'b')\n")
    b = bench.step("b", "mark(marks, 'b')\nawait_mark(marks, 'a')\n")
    bench.shop.job({"a": a, "b": b})
    assert statuses(bench.run()) == {"a": "completed", "b": "completed"}


def test_a_line_is_told_while_the_step_still_runs(bench: Bench) -> None:
    bench.shop.job({"a": bench.step("a", "print('half way')\nawait_mark(marks, 'told')\n")})
    result = bench.run(lambda line: bench.mark("told") if line == "a | half way" else None)
    assert statuses(result) == {"a": "completed"}


def test_an_unchanged_job_is_reused_and_says_so(bench: Bench, raw: str) -> None:
    bench.chain()
    made = bench.run(raw=raw)
    bench.lines.clear()
    again = bench.run(raw=raw)
    assert (statuses(again), again.outputs) == (REUSED, made.outputs)
    assert len(bench.lines) == 2
    assert all("| reused (inputs, code and environment unchanged since 2" in line for line in bench.lines)


def test_the_same_bytes_elsewhere_are_the_same_input(bench: Bench, raw: str, tmp_path: Path) -> None:
    bench.chain()
    bench.run(raw=raw)
    assert statuses(bench.run(raw=str(shutil.copytree(raw, tmp_path / "moved")))) == REUSED


CHANGES: dict[str, Callable[[Bench, str], object]] = {
    "code": lambda bench, raw: bench.shop.module("append", APPEND + "# changed\n"),
    "new code": lambda bench, raw: bench.shop.module("helper", ""),
    "input": lambda bench, raw: Path(raw, "text").write_text("null"),
    "environment": lambda bench, raw: (bench.shop.environments / "tiny" / "requirements.txt").write_text("tiny==2"),
    "command": lambda bench, raw: bench.shop.component(
        "append",
        "python append.py ${{inputs.source}} ${{outputs.target}} ${{inputs.word}}",
        inputs={"source": FOLDER, "word": TEXT},
        outputs={"target": FOLDER},
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_runs_the_steps_again(bench: Bench, raw: str, what: str) -> None:
    bench.chain()
    bench.run(raw=raw)
    CHANGES[what](bench, raw)
    assert statuses(bench.run(raw=raw)) == MADE
    assert statuses(bench.run(raw=raw)) == REUSED


def test_a_change_of_one_step_leaves_those_before_it(bench: Bench, raw: str) -> None:
    bench.chain()
    bench.run(raw=raw)
    result = bench.run(raw=raw, word="three")
    assert statuses(result) == {"first": "reused", "second": "completed"}
    assert Path(result.outputs["text"], "text").read_text() == "zeroonethree"


def test_what_is_no_code_changes_nothing(bench: Bench, raw: str) -> None:
    (bench.shop.code / ".amlignore").write_text("notes/\n")
    bench.chain()
    bench.run(raw=raw)
    for folder in ("notes", "__pycache__"):
        (bench.shop.code / folder).mkdir()
        (bench.shop.code / folder / "new.txt").touch()
    assert statuses(bench.run(raw=raw)) == REUSED


def test_a_step_that_is_not_deterministic_is_never_reused(bench: Bench, raw: str) -> None:
    bench.chain(is_deterministic=False)
    first, second = bench.run(raw=raw), bench.run(raw=raw)
    assert statuses(first) == statuses(second) == MADE
    assert first.outputs != second.outputs


def test_code_that_is_edited_meanwhile_does_not_run(bench: Bench, raw: str) -> None:
    bench.chain()

    def edit(line: str) -> None:
        bench.shop.module("append", "raise SystemExit('edited')")

    assert Path(bench.run(edit, raw=raw).outputs["text"], "text").read_text() == "zeroonetwo"


def test_nothing_runs_where_something_is_wrong_at_the_end(bench: Bench, raw: str) -> None:
    bench.chain()
    bench.shop.component("append", "python ${{inputs.wrod}}", inputs={"source": FOLDER, "word": TEXT})
    with pytest.raises(ConfigError):
        bench.run(raw=raw)
    assert bench.lines == [] and not bench.home.exists()


def test_an_environment_without_a_folder_is_refused(bench: Bench, raw: str) -> None:
    bench.chain(environment="azureml:visionline-absent:1")
    with pytest.raises(ConfigError, match="absent: is absent, but step 'first' runs in visionline-absent"):
        bench.run(raw=raw)
    assert bench.lines == []


def test_a_failing_step_shows_its_last_lines_and_ends_those_beside_it(bench: Bench) -> None:
    body = "await_mark(marks, 'b')\nfor i in range(40): print('line', i)\nsys.exit('the reason')\n"
    a = bench.step("a", body)
    b = bench.step("b", "import os\nmark(marks, 'b', str(os.getpid()))\nawait_mark(marks, 'never')\n")
    bench.shop.job({"a": a, "b": b})
    with pytest.raises(JobError) as caught:
        bench.run()
    message = str(caught.value).splitlines()
    assert "step 'a' failed with exit code 1" in message[0] and len(message) == 16
    assert [line.strip() for line in message[-2:]] == ["line 39", "the reason"]
    assert is_gone(int((bench.marks / "b").read_text()))
    assert "b | stopped" in bench.lines


def test_a_program_that_is_absent_is_named(bench: Bench) -> None:
    bench.shop.component("a", "no-such-program")
    bench.shop.job({"a": {}})
    with pytest.raises(JobError, match="no-such-program: cannot be started"):
        bench.run()


def test_a_failed_job_goes_on_where_it_failed(bench: Bench, raw: str) -> None:
    bench.chain()
    home = "next(folder for folder in source.parents if folder.name == 'the home')"
    bench.shop.module("append", APPEND + f"assert word == 'one' or ({home} / 'mended').exists(), 'not mended'\n")
    with pytest.raises(JobError, match="not mended"):
        bench.run(raw=raw)
    (bench.home / "mended").touch()
    assert statuses(bench.run(raw=raw)) == {"first": "reused", "second": "completed"}


def test_a_step_sees_its_platform_and_not_the_callers_code(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/caller")
    names = "MLFLOW_TRACKING_URI MLFLOW_EXPERIMENT_NAME MLFLOW_DISABLE_TELEMETRY VISIONLINE_HOME PYTHONPATH OWN"
    a = bench.step("a", f"import os\nfor name in '{names}'.split(): print(name, os.environ.get(name))\n")
    bench.shop.job({"a": {**a, "environment_variables": {"OWN": "value"}}}, experiment_name="tests")
    bench.run()
    assert [line.removeprefix("a | ") for line in bench.lines[1:-1]] == [
        f"MLFLOW_TRACKING_URI sqlite:///{bench.home}/mlflow.db",
        "MLFLOW_EXPERIMENT_NAME tests",
        "MLFLOW_DISABLE_TELEMETRY true",
        f"VISIONLINE_HOME {bench.home}",
        "PYTHONPATH None",
        "OWN value",
    ]


def test_a_step_reads_the_callers_stage_files_wherever_it_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLINE_STAGES", "docs/ways/without-azure-ml")
    bench.shop.job({"a": bench.step("a", "import os\nprint(os.environ['VISIONLINE_STAGES'])\n")})
    bench.run()
    assert f"a | {REPOSITORY / 'docs/ways/without-azure-ml'}" in bench.lines


# Runs the job as a user's command would, in a process that can be killed.
RUNNER = """
import signal, sys
from pathlib import Path
from mlops.adapters.local.jobs import LocalJobRunner
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
home, environments, job = map(Path, sys.argv[1:])
LocalJobRunner(home, environments, 2).run(job, {}, print)
"""


@pytest.fixture
def start(bench: Bench) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return what starts the runner in a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one() -> subprocess.Popen[bytes]:
        arguments = [str(bench.home), str(bench.shop.environments), str(bench.shop.job_file)]
        environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'src'}"}
        started.append(subprocess.Popen([sys.executable, "-c", RUNNER, *arguments], env=environment))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


# Half of its work is in its output when it is killed, and a grandchild has left its process group.
HALF = """
import os, subprocess
from pathlib import Path
half = Path(out) / "half"
if not half.exists():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    grandchild = subprocess.Popen(sleep, start_new_session=True)
    half.write_text("kept")
    mark(marks, "half", f"{os.getpid()} {grandchild.pid}")
    await_mark(marks, "never")
(Path(out) / "whole").write_text(half.read_text() + ", finished")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_killed_job_leaves_no_process_and_goes_on_when_run_again(
    bench: Bench, start: Callable[[], subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    a = bench.step("a", HALF)
    bench.shop.job({"a": {**a, "outputs": {"out": "${{parent.outputs.out}}"}}}, outputs={"out": FOLDER})
    runner = start()
    bench.await_mark("half")
    runner.send_signal(number)
    assert runner.wait(DEADLINE) != 0
    result = bench.run()
    assert all(is_gone(int(process)) for process in (bench.marks / "half").read_text().split())
    assert statuses(result) == {"a": "completed"}
    assert Path(result.outputs["out"], "whole").read_text() == "kept, finished"
    assert statuses(bench.run()) == {"a": "reused"}


def test_two_jobs_with_the_same_step_run_it_once(bench: Bench, start: Callable[[], subprocess.Popen[bytes]]) -> None:
    bench.shop.job({"a": bench.step("a", "mark(marks, 'began')\nawait_mark(marks, 'go')\n")})
    first = start()
    bench.await_mark("began")
    (bench.marks / "began").unlink()
    second = bench.run(lambda line: bench.mark("go") if "waits: another job" in line else None)
    assert first.wait(DEADLINE) == 0
    assert statuses(second) == {"a": "reused"} and not bench.seen("began")


def test_a_job_that_waits_for_anothers_step_can_be_stopped(
    bench: Bench, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    a = bench.step("a", "mark(marks, 'began')\nawait_mark(marks, 'go')\n")
    b = bench.step("b", "await_mark(marks, 'wait')\nsys.exit(1)\n")
    bench.shop.job({"a": a})
    first = start()
    bench.await_mark("began")
    bench.shop.job({"a": a, "b": b})
    with pytest.raises(JobError, match="step 'b' failed"):
        bench.run(lambda line: bench.mark("wait") if "waits: another job" in line else None)
    bench.mark("go")
    assert first.wait(DEADLINE) == 0


RANKS = """
import os
from pathlib import Path
rank = os.environ["RANK"]
Path(out, rank).write_text(" ".join(os.environ[name] for name in ("WORLD_SIZE", "LOCAL_RANK", "OMP_NUM_THREADS")))
if Path(marks, "fail").exists() and rank == "1":
    sys.exit("the reason")
"""


def test_a_distributed_step_is_started_by_torchrun(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    processes = {"type": "pytorch", "process_count_per_instance": 2}
    a = bench.step("a", RANKS, distribution=processes, resources={"instance_count": 1})
    bench.shop.job({"a": {**a, "outputs": {"out": "${{parent.outputs.out}}"}}}, outputs={"out": FOLDER})
    bench.mark("fail")
    with pytest.raises(JobError) as caught:
        bench.run()
    assert str(caught.value).splitlines()[-1].strip() == "the reason"
    (bench.marks / "fail").unlink()
    out = Path(bench.run().outputs["out"])
    assert {path.name: path.read_text() for path in out.iterdir()} == {"0": "2 0 1", "1": "2 1 1"}


def test_reports_of_steps_side_by_side_come_one_at_a_time(bench: Bench) -> None:
    body = "mark(marks, {0!r})\nawait_mark(marks, {1!r})\nprint('a line')\n"
    bench.shop.job({"a": bench.step("a", body.format("a", "b")), "b": bench.step("b", body.format("b", "a"))})
    inside, met = threading.Lock(), threading.Event()

    def report(line: str) -> None:
        if not inside.acquire(blocking=False):
            met.set()
            return
        met.wait(0.1)  # leaves the other step the time to come in, which it must not
        inside.release()

    assert statuses(bench.run(report)) == {"a": "completed", "b": "completed"}
    assert not met.is_set()
