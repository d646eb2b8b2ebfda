"""black, flake8, mypy and yamllint find nothing, run as `make lint` runs them; and each finds a planted fault."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

FOLDERS = ["mlops", "src", "tests", "benchmarks"]
COMMANDS = {
    "black": ["--check", *FOLDERS],
    "flake8": FOLDERS,
    "mypy": [],
    "yamllint": ["--strict", "."],
}
# A file that is clean, one that is not, and how the tool is told of this repository's rules.
SAMPLES = {
    "black": (
        "a.py",
        'x = {"a": 1}\n',
        "x = { 'a':1 }\n",
        ["--check", "--quiet", "--config", str(ROOT / "pyproject.toml")],
    ),
    "flake8": ("a.py", "import os\n\nprint(os.name)\n", "import os\n", ["--config", str(ROOT / "setup.cfg")]),
    "mypy": (
        "a.py",
        "def f(x: int) -> int:\n    return x\n",
        "def f(x):\n    return x\n",
        ["--config-file", str(ROOT / "setup.cfg")],
    ),
    "yamllint": ("a.yaml", "a: 1\nb: 2\n", "a: 1\na: 2\n", ["--strict", "--config-file", str(ROOT / ".yamllint")]),
}


def lint(tool: str, arguments: list[str]) -> str:
    """Return what a linter complains about; nothing where it is content."""
    command = [sys.executable, "-m", tool, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else f"{tool}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_linter_finds_nothing(tool: str) -> None:
    complaint = lint(tool, COMMANDS[tool])
    assert not complaint, complaint


@pytest.mark.parametrize("tool", SAMPLES)
def test_a_linter_finds_a_planted_fault(tool: str, tmp_path: Path) -> None:
    name, clean, faulty, arguments = SAMPLES[tool]
    sample = tmp_path / name
    sample.write_text(clean, encoding="utf-8")
    assert not lint(tool, [*arguments, str(sample)])
    sample.write_text(faulty, encoding="utf-8")
    assert lint(tool, [*arguments, str(sample)])


def test_make_lint_runs_these_commands() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe
    commands = recipe[1].replace(" --quiet", "")
    for tool, arguments in COMMANDS.items():
        assert re.search(rf"{tool} ?{re.escape(' '.join(arguments))}$", commands, re.MULTILINE), tool
