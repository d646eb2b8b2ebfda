"""A forked step is what a fresh process is: where it stands, what it was given, how it ends and how it is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_endpoint import wait_for
from step_process import REPOSITORY, StepProcess, run_step

# Stands in for mlops in a folder of its own, and tells what a program finds.
PROGRAM = """
import atexit, json, os, signal, sys, threading
handlers = {one.name: str(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
found = {
    "name": __name__, "file": __file__, "words": [*sys.argv], "path": sys.path, "folder": os.getcwd(),
    "environment": dict(os.environ), "handlers": handlers, "flags": str(sys.flags), "umask": os.umask(0o22),
    "threads": [one.name for one in threading.enumerate()], "open": sorted(os.listdir("/proc/self/fd")),
    "group": os.getpgrp(), "is_main": sys.modules["__main__"].__dict__ is globals(),
}
atexit.register(lambda: print(json.dumps(found)))
print(os.getpid(), file=sys.stderr)
sys.exit(7)
"""
WAITS = """
import pathlib, threading
pathlib.Path("started").touch()
threading.Event().wait()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a program in it that `python -m mlops` runs there."""
    (tmp_path / "mlops").mkdir()
    (tmp_path / "mlops" / "__init__.py").touch()
    (tmp_path / "mlops" / "__main__.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let fresh processes be interrupted, also where a shell has started these tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_forked_step_finds_what_a_fresh_one_finds(folder: Path) -> None:
    env = {**os.environ, "COLOUR": "blue", "PYTHONPATH": f"{folder / 'a'}{os.pathsep}{folder / 'b'}"}
    fresh, forked = (run_step("deploy", "--run", "ü", env=env, cwd=folder, fresh=kind) for kind in (True, False))
    found = json.loads(forked.stdout)
    assert found == json.loads(fresh.stdout) and found["environment"]["COLOUR"] == "blue"
    assert (forked.returncode, fresh.returncode) == (7, 7)
    assert len({int(forked.stderr), int(fresh.stderr), os.getpid()}) == 3


def test_two_forked_steps_know_nothing_of_each_other(folder: Path) -> None:
    processes = [StepProcess([word], {"WORD": word, **os.environ}, folder) for word in ("one", "two")]
    told = [json.loads(process.communicate()[0]) for process in processes]
    assert [one["environment"]["WORD"] for one in told] == ["one", "two"] == [one["words"][1] for one in told]
    assert processes[0].pid != processes[1].pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_a_signal_ends_it_and_the_exit_code_says_so(folder: Path, number: signal.Signals) -> None:
    (folder / "mlops" / "__main__.py").write_text(WAITS)
    process = StepProcess([], os.environ, folder)
    wait_for((folder / "started").exists)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    os.kill(process.pid, number)
    assert (process.wait(), process.poll(), process.communicate()) == (-number, -number, ("", ""))
    process.send_signal(number)  # to nobody


def test_the_step_itself_says_the_same_in_both() -> None:
    said = [run_step("status", "--stage", "nowhere", env=os.environ, fresh=kind) for kind in (True, False)]
    assert (said[0].stdout, said[0].stderr, said[0].returncode) == (said[1].stdout, said[1].stderr, 1)
    assert "nowhere" in said[0].stderr and said[1].returncode == 1


@pytest.mark.parametrize("name", ["PYTHONOPTIMIZE", "LC_ALL", "TZ"])
def test_what_python_reads_when_it_starts_cannot_be_given_to_a_forked_step(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: a step with another value than pytest's needs a fresh process"):
        StepProcess([], {**os.environ, name: "1"}, REPOSITORY)
