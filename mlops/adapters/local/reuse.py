"""Finished steps and where they are kept, so that a step with the same inputs, code and environment is not run again.

    steps/<key>/            outputs/<name>/  log.txt  code/  step.json      a finished step; never changed again
    steps/<key>.partial/    the same while it runs, or where it was killed: the next try goes on in it
    steps/<key>.lock        held by who runs the step, and by its guard, so until its last process has ended

It knows nothing of pipelines or processes: a key is a digest of what the caller says that a step is made from.
"""

from __future__ import annotations

import fcntl
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from mlops.adapters.local.plan import Step
from mlops.snapshot import Snapshot
from mlops.loading import read_json, write_json
from modelpackage import digest_file, digest_json

STEP_FILE = "step.json"
POLL_SECONDS = 0.05


class Stopped(Exception):
    """The job ends early; the step that was asked for did not end."""


@dataclass(frozen=True)
class StepMemo:
    """step.json: what a finished step was made from, when it ended (seconds since the epoch) and how long it took."""

    step: str
    made_from: dict[str, Any]
    ended: float
    seconds: float


@dataclass(frozen=True)
class StepStore:
    """The finished and the begun steps under one folder."""

    folder: Path

    def finished(self, key: str) -> StepMemo | None:
        """Return what a finished step says of itself, None where there is none."""
        path = self.place(key) / STEP_FILE
        return read_json(StepMemo, path) if path.exists() else None

    def place(self, key: str) -> Path:
        """Return the folder of a finished step."""
        return self.folder / key

    def partial(self, key: str) -> Path:
        """Return the folder in which a step runs."""
        return self.folder / f"{key}.partial"

    def finish(self, key: str, memo: StepMemo) -> Path:
        """Make what ran in the partial folder a finished step, whole or not at all, and return its folder."""
        write_json(self.partial(key) / STEP_FILE, memo)
        return self.partial(key).rename(self.place(key))

    @contextmanager
    def lock(self, key: str, stop: Event, say: Callable[[str], None]) -> Iterator[int]:
        """Hold a step and give the lock's file descriptor, for the guard to hold too. Raises Stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{key}.lock").open("a") as file:
            if not _try_lock(file.fileno()):
                say("waits: another job runs this very step")
                _wait_for_lock(file.fileno(), stop)
            yield file.fileno()


def _wait_for_lock(descriptor: int, stop: Event) -> None:
    while not _try_lock(descriptor):
        if stop.wait(POLL_SECONDS):
            raise Stopped


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def made_from(step: Step, code: Snapshot | None, runtime: Snapshot, upstream: dict[str, str]) -> dict[str, Any]:
    """Return all that a step's result depends on. `upstream` names what each input from another step is."""
    folders = {name: folder_digest(folder) for name, folder in step.folders.items()}
    return {
        "command": list(step.command),
        "inputs": step.literals | folders | upstream,
        "outputs": list(step.outputs),
        "environment_variables": step.variables,
        "processes": step.processes,
        "code": code.digest if code else None,
        "environment": {"name": step.runtime, "digest": runtime.digest, "python": platform.python_version()},
    }


def step_key(parts: dict[str, Any]) -> str:
    """Return the name under which a step's result is kept."""
    return digest_json(parts).removeprefix("sha256:")[:32]


def folder_digest(folder: Path) -> str:
    """Return `sha256:<hex>` over each file's path and content; where the folder stands does not matter."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_json({path.relative_to(folder).as_posix(): digest_file(path) for path in files})


def since(memo: StepMemo) -> str:
    """Return when a step ended, as this machine's clock writes it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(memo.ended))
