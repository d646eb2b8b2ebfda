"""Runs a batch scoring script as Azure ML does: processes that each load it once, mini-batches of paths, one output.

The contract as it is documented, to which this driver holds a script:
- init() once in each process, then run(mini_batch: list of paths) for each mini-batch.
- A mini-batch whose run() raises, takes too long or ends its process is tried again, `retries` times at most.
- Each element that run() returns is one file that went well: a file fails whose mini-batch failed, and as many fail as
  there are elements too few.
- Above `error_threshold` failed files the job fails; -1 allows any number. A failing init() fails it at once.
- append_row: each element becomes a line of the output, as text; of a DataFrame the header is lost. The lines of two
  mini-batches are in no promised order. summary_only: run() may return any number of elements, and none is written.

Sources: learn.microsoft.com, "Author scoring scripts for batch deployments", "CLI (v2) batch deployment YAML schema"
(mini_batch_size, error_threshold, retry_settings, output_action) and "Troubleshooting batch endpoints".

It is also the process that loads a script: python tests/batch_driver.py SCRIPT; a JSON list of paths a line on stdin.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 120.0


@dataclass(frozen=True)
class Settings:
    """A batch deployment's settings; `processes` in all, over instances; `timeout` in seconds a mini-batch."""

    mini_batch_size: int = 10
    processes: int = 1
    error_threshold: int = -1
    retries: int = 3
    timeout: float = 30.0
    output_action: str = "append_row"


@dataclass
class Outcome:
    """How a job ended: the output's lines, how many files failed and why, and how often the script was used."""

    is_completed: bool = True
    lines: list[str] = field(default_factory=list)
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    loads: int = 0
    calls: int = 0


class Died(Exception):
    """The script's process ended, or took too long and was ended."""


class Worker:
    """A process that has loaded the script."""

    def __init__(self, script: Path, environment: Mapping[str, str]) -> None:
        """Start it and wait for the end of init(). Raises Died with the last line that it said."""
        line = [sys.executable, str(Path(__file__).resolve()), str(script)]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            line, env=dict(environment), stdin=pipe, stdout=pipe, stderr=self.log, cwd=tempfile.gettempdir()
        )
        self._receive(START_SECONDS)

    def run(self, files: Sequence[str], timeout: float) -> dict[str, Any]:
        """Return what run() did: {"elements": [...]} or {"error": ...}. Raises Died."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(list(files)).encode() + b"\n")
            self.process.stdin.flush()
        return self._receive(timeout)

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def _receive(self, timeout: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return dict(json.loads(line))
        self.process.kill()
        self.process.wait()
        self.log.seek(0)
        said = [one for one in self.log.read().decode(errors="replace").splitlines() if one.strip()]
        raise Died(
            f"{'it ended' if ready else f'no answer in {timeout:g} s'}: {said[-1] if said else 'without a word'}"
        )


def run_batch(
    script: Path, files: Sequence[str], environment: Mapping[str, str], settings: Settings = Settings()
) -> Outcome:
    """Run a batch scoring job over files to its end. `environment` is what the deployment adds to the process's."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    job = Job(script, {**own, **environment}, settings)
    size, done = settings.mini_batch_size, []
    try:
        for number, start in enumerate(range(0, len(files), size)):
            done.append(job.score(number % settings.processes, files[start : start + size]))
            if 0 <= settings.error_threshold < job.outcome.failed:
                job.outcome.is_completed = False
                break
    except Died as death:
        job.outcome.is_completed = False
        job.outcome.errors.append(str(death))
    finally:
        job.end()
    job.outcome.lines = [line for lines in reversed(done) for line in lines]
    return job.outcome


class Job:
    """A job that goes on: its processes by number, and what came of it so far."""

    def __init__(self, script: Path, environment: Mapping[str, str], settings: Settings) -> None:
        """Start with no process."""
        self.script, self.environment, self.settings = script, environment, settings
        self.outcome = Outcome()
        self.workers: dict[int, Worker] = {}

    def score(self, number: int, files: Sequence[str]) -> list[str]:
        """Return the lines of one mini-batch, scored by a process. Raises Died where init() fails."""
        for _ in range(self.settings.retries + 1):
            if number not in self.workers:
                self.workers[number] = Worker(self.script, self.environment)
                self.outcome.loads += 1
            try:
                self.outcome.calls += 1
                answer = self.workers[number].run(files, self.settings.timeout)
            except Died as death:
                self.outcome.errors.append(str(death))
                self.workers.pop(number).end()
                continue
            if "elements" in answer:
                return self._accepted(answer["elements"], len(files))
            self.outcome.errors.append(answer["error"])
        self.outcome.failed += len(files)
        return []

    def end(self) -> None:
        """End all processes."""
        for worker in self.workers.values():
            worker.end()

    def _accepted(self, elements: list[str], count: int) -> list[str]:
        if self.settings.output_action == "summary_only":
            return []
        self.outcome.failed += max(0, count - len(elements))
        return elements


def main() -> None:
    """Load the script, then answer each list of paths on stdin with what run() did, on a stdout of its own."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the script prints is no answer
    spec = importlib.util.spec_from_file_location("scoring_script", sys.argv[1])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.init()
    print(json.dumps({"elements": []}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(module, json.loads(line))), file=answers, flush=True)


def _answer(module: Any, files: list[str]) -> dict[str, Any]:
    try:
        returned = module.run(files)
    except Exception as error:  # noqa: BLE001 - a failed mini-batch, whatever it is
        return {"error": f"{type(error).__name__}: {error}"}
    if hasattr(returned, "to_csv"):
        return {"elements": returned.to_csv(header=False, index=False, sep=" ").splitlines()}
    if not isinstance(returned, list | tuple):
        return {"error": f"run() should return a list or a DataFrame, is {type(returned).__name__}"}
    return {"elements": [str(element) for element in returned]}


if __name__ == "__main__":
    main()
