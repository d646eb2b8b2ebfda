"""Thousands of hostile inputs for the parsers at every test run, and proof that the runner finds what it should.

`make fuzz` gives them a million, led by coverage.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import trial
from running_endpoint import REPOSITORY

PLANTED = """
from fuzz.trial import Target
from serving.errors import RequestError

kept = []

def fine(data):
    raise RequestError(400, "always")

def crash(data):
    if b"!" in data:
        raise KeyError("planted")

def leak(data):
    kept.append(bytes(50_000))

def two_lines(data):
    raise RequestError(400, "one\\ntwo")

def abort(data):
    import os
    os.abort()


TARGETS = tuple(Target(one.__name__, 100, one, (b"a!b", b"cde")) for one in CHOSEN)
"""


SEEDS = """
from fuzz.targets import TARGETS

for target in TARGETS:
    refused = 0
    for seed in target.seeds:
        assert len(seed) <= target.longest
        try:
            target.feed(seed)
        except target.refusals:
            refused += 1
    print(target.name, len(target.seeds) - refused, refused)
print(sum(target.share for target in TARGETS))
"""


def environment(*folders: Path) -> dict[str, str]:
    """Return the environment in which the fuzzers run."""
    paths = (REPOSITORY / "tests", REPOSITORY / "src", *folders)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def run_fuzz(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer to its end; what it finds is saved in `folder`, where modules of targets may lie too."""
    command = [sys.executable, "-m", "fuzz.run", "--folder", str(folder), *flags]
    return subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=120)


def run_planted(folder: Path, targets: str, engine: str = "chance", runs: int = 2000) -> tuple[int, list[str]]:
    """Fuzz planted targets; return the exit code and the lines printed."""
    (folder / "planted.py").write_text(PLANTED.replace("CHOSEN", f"({targets},)"), encoding="utf-8")
    done = run_fuzz(folder, "--module", "planted", "--engine", engine, "--runs", str(runs))
    return done.returncode, done.stdout.splitlines()


def test_no_parser_and_no_decoder_breaks_on_thousands_of_hostile_inputs(tmp_path: Path) -> None:
    done = run_fuzz(tmp_path, "--engine", "chance", "--runs", "40000")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing found"), done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".log"] == []


def test_the_inputs_from_which_the_fuzzers_start_are_valid_but_for_a_few() -> None:
    done = subprocess.run([sys.executable, "-c", SEEDS], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *lines, shares = done.stdout.splitlines()
    assert shares == "100" and len(lines) == 10
    for name, accepted, refused in map(str.split, lines):
        assert int(accepted) > 2 * int(refused) or int(refused) == 1, name


def test_what_is_fine_passes(tmp_path: Path) -> None:
    code, lines = run_planted(tmp_path, "fine")
    assert code == 0 and lines[0].startswith("fine: 2000 inputs in ") and "100% refused" in lines[0]


@pytest.mark.parametrize("engine", ["chance", "hypothesis"])
def test_a_planted_crash_is_found_and_its_input_saved(tmp_path: Path, engine: str) -> None:
    code, lines = run_planted(tmp_path, "crash", engine)
    assert code == 1 and lines[0].startswith("found: crash: raises KeyError: 'planted'")
    assert b"!" in (tmp_path / "crash-crash").read_bytes()


@pytest.mark.parametrize("engine", ["chance", "hypothesis"])
def test_a_planted_leak_is_found(tmp_path: Path, engine: str) -> None:
    code, lines = run_planted(tmp_path, "leak", engine)
    assert code == 1 and "leak: grew by " in lines[0]


def test_a_crash_of_the_process_is_found_and_the_other_targets_still_run(tmp_path: Path) -> None:
    code, lines = run_planted(tmp_path, "abort, fine")
    assert code == 1 and lines[0].startswith("abort: ended with -6") and lines[1].startswith("fine: 2000 inputs")
    assert lines[-1] == "failed: abort"


def test_a_refusal_of_two_lines_is_found(tmp_path: Path) -> None:
    code, lines = run_planted(tmp_path, "two_lines")
    assert code == 1 and "which is not one line" in lines[0]


def test_an_input_that_takes_long_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SLOW_SECONDS", -1.0)
    with pytest.raises(trial.Finding, match="takes 0.0 s of CPU"):
        trial.Trial(trial.Target("a", 100, len, (b"",)), 1, tmp_path)(b"abc")
    assert (tmp_path / "a-slow").read_bytes() == b"abc"
