"""JobRunner on this machine: executes the very pipeline YAML that Azure ML gets, with its own processes.

A job's steps run in order of dependency and side by side where they can; each has a log file; a step whose inputs, code
and environment are unchanged is reused. A job that failed or was killed goes on where it was when it is run again. As
on Azure ML a step runs in a copy of its code. State, under the platform's home: steps/ (see reuse.py), and jobs/ for
the steps that are never reused. It knows nothing of what a step does.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event, Lock
from typing import Any

from mlops.adapters.local import execution
from mlops.adapters.local.commands import fill
from mlops.adapters.local.plan import Plan, Step, make_plan
from mlops.adapters.local.reuse import StepMemo, StepStore, Stopped, made_from, since, step_key
from mlops.adapters.local.schedule import run_graph
from mlops.snapshot import Snapshot, take_snapshot
from mlops.config import REPOSITORY, Stage, stages_folder
from mlops.errors import ConfigError, JobFailed
from mlops.ports import EndedJob, JobResult, Say, Submitted
from mlops.records import JobStep

LOG_FILE = "log.txt"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node")


@dataclass(frozen=True)
class LocalJobRunner:
    """Runs jobs. `home` keeps state, `environments` holds a folder a runtime, `workers` bounds the steps at once."""

    home: Path
    environments: Path
    workers: int

    def run(self, job_file: Path, inputs: Mapping[str, str], report: Say, named: Say | None = None) -> JobResult:
        """Run a job to its end, a line to `report` for each change and each line of a step; it ends with this process.

        Raises ConfigError, before anything runs, where the files or inputs are wrong; JobFailed where a step fails.
        """
        plan = make_plan(job_file, inputs)
        name = f"{job_file.stem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        job = LocalJob(name, plan, self.home, self.environments, _one_at_a_time(report))
        job.read_sources()
        done = run_graph(plan.before(), job.run_step, self.workers, job.stop)
        outputs = {name: str(done[source.step].output(source.output)) for name, source in plan.outputs.items()}
        return JobResult(name, {step: done[step].step for step in plan.steps}, outputs, dict(inputs))

    def submit(self, job_file: Path, inputs: Mapping[str, str]) -> Submitted:
        """Refuse: a job here ends with the process that waits for it. Raises ConfigError."""
        raise ConfigError(f"{job_file.name}: on this machine a job is waited for: leave --no-wait out")

    def result(self, job: str, report: Say) -> JobResult:
        """Refuse: no job here outlives the process that waits for it. Raises ConfigError."""
        raise ConfigError(f"--job {job}: on this machine a job is waited for: run `python -m mlops train` without it")

    def ended(self, hours: float) -> list[EndedJob]:
        """Refuse: whoever waits for a job here knows how it ended. Raises ConfigError."""
        raise ConfigError("on this machine a job is waited for, and its end known: leave --unreported out")

    def output(self, job: str, name: str) -> Path:
        """Refuse as `result` does. Raises ConfigError."""
        raise ConfigError(f"job {job}: output {name}: on this machine a job is waited for: see its run's train.json")


@dataclass(frozen=True)
class Done:
    """A step that ended well: what its outputs are called in the keys of later steps, and its folder."""

    identity: str
    folder: Path
    step: JobStep

    def output(self, name: str) -> Path:
        """Return the folder of one output."""
        return self.folder / "outputs" / name


@dataclass(frozen=True)
class LocalJob:
    """One run of one plan."""

    name: str
    plan: Plan
    home: Path
    environments: Path
    report: Say
    stop: Event = field(default_factory=Event)
    sources: dict[Path, Snapshot] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)

    @cached_property
    def store(self) -> StepStore:
        """Return the finished steps of this home."""
        return StepStore(self.home / "steps")

    def read_sources(self) -> None:
        """Read all code and runtimes, so that the whole job runs what stands there now. Raises ConfigError."""
        for step in self.plan.steps.values():
            runtime = self.environments / step.runtime
            if not runtime.is_dir():
                raise ConfigError(f"{runtime}: is absent, but step '{step.name}' runs in visionline-{step.runtime}")
            self.sources.update({folder: take_snapshot(folder) for folder in (runtime, step.code) if folder})

    def run_step(self, name: str) -> Done:
        """Run or reuse one step whose upstream steps are done. Raises JobFailed, or Stopped where the job ends."""
        step, started = self.plan.steps[name], time.monotonic()
        parts = made_from(step, self._code(step), self.sources[self.environments / step.runtime], self._upstream(step))
        make = self._reuse_or_make if step.is_deterministic else self._make
        self.done[name] = make(step, parts, started)
        return self.done[name]

    def _code(self, step: Step) -> Snapshot | None:
        return self.sources[step.code] if step.code else None

    def _upstream(self, step: Step) -> dict[str, str]:
        return {key: f"{self.done[one.step].identity}/{one.output}" for key, one in step.upstream.items()}

    def _reuse_or_make(self, step: Step, parts: dict[str, Any], started: float) -> Done:
        key = step_key(parts)
        with self.store.lock(key, self.stop, lambda line: self._say(step, line)) as lock:
            memo = self.store.finished(key)
            if memo:
                self._say(step, f"reused (inputs, code and environment unchanged since {since(memo)})")
            else:
                seconds = self._execute(step, self.store.partial(key), started, (lock,))
                self.store.finish(key, StepMemo(step.name, parts, time.time(), seconds))
        return _done(key, self.store.place(key), "reused" if memo else "completed", started)

    def _make(self, step: Step, parts: dict[str, Any], started: float) -> Done:
        folder = self.home / "jobs" / self.name / step.name
        self._execute(step, folder, started, ())
        return _done(f"{self.name}/{step.name}", folder, "completed", started)

    def _execute(self, step: Step, folder: Path, started: float, held: tuple[int, ...]) -> float:
        """Run a step's command in `folder`, which may hold what an earlier try left, and return the seconds."""
        launch = self._launch(step, folder)
        self._say(step, "started")
        ended = execution.run(launch, self.stop, lambda line: self._say(step, line), held)
        seconds = time.monotonic() - started
        if ended.code == 0:
            self._say(step, f"done in {seconds:.1f} s")
            return seconds
        if self.stop.is_set():
            self._say(step, "stopped")
            raise Stopped
        self._say(step, f"failed after {seconds:.1f} s")
        lines = "\n  ".join(ended.last_lines) or "it wrote nothing"
        raise JobFailed(f"step '{step.name}' failed with exit code {ended.code}; see {launch.log}; it ends:\n  {lines}")

    def _launch(self, step: Step, folder: Path) -> execution.Launch:
        """Make the folders that a step finds, as Azure ML does, and return how to start it."""
        code, outputs = folder / "code", {name: folder / "outputs" / name for name in step.outputs}
        shutil.rmtree(code, ignore_errors=True)
        for path in (code, *outputs.values()):
            path.mkdir(parents=True, exist_ok=True)
        snapshot = self._code(step)
        if snapshot:
            snapshot.write(code)
        made = {key: self.done[one.step].output(one.output) for key, one in step.upstream.items()}
        inputs = {f"inputs.{key}": str(value) for key, value in {**step.literals, **step.folders, **made}.items()}
        values = inputs | {f"outputs.{name}": str(path) for name, path in outputs.items()}
        return execution.Launch(_arguments(step, values), code, self._environment(step, folder), folder / LOG_FILE)

    def _environment(self, step: Step, folder: Path) -> dict[str, str]:
        # Without the caller's PYTHONPATH: code that isn't in the step's own copy would be missing on Azure ML.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if "VISIONLINE_STAGES" in inherited:  # beneath the repository it names nothing of the step's copy
            inherited["VISIONLINE_STAGES"] = str(stages_folder())
        threads = {"OMP_NUM_THREADS": "1"} if step.processes else {}
        own = {
            "PYTHONUNBUFFERED": "1",
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.home}/mlflow.db",
            "MLFLOW_EXPERIMENT_NAME": self.plan.experiment,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "VISIONLINE_HOME": str(self.home),
            "VISIONLINE_RUNS": str(folder / "runs"),
        }
        return threads | inherited | own | step.variables

    def _say(self, step: Step, line: str) -> None:
        self.report(f"{step.name} | {line}")


def open_job_runner(stage: Stage) -> LocalJobRunner:
    """Return the job runner of a stage."""
    return LocalJobRunner(stage.home, REPOSITORY / "environments", os.cpu_count() or 1)


def _done(identity: str, folder: Path, status: str, started: float) -> Done:
    return Done(identity, folder, JobStep(status, time.monotonic() - started, str(folder / LOG_FILE)))


def _arguments(step: Step, values: Mapping[str, str]) -> list[str]:
    """Return the command line: this very Python for `python`, and torchrun where the step is several processes."""
    program, *rest = [fill(argument, values) for argument in step.command]
    launcher = [*TORCHRUN, str(step.processes)] if step.processes else []
    return [sys.executable, *launcher, *rest] if program == "python" else [program, *rest]


def _one_at_a_time(report: Say) -> Say:
    """Return a voice that several steps may use at once."""
    lock = Lock()

    def say(line: str) -> None:
        with lock:
            report(line)

    return say
