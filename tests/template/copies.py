"""Copies of this repository in which a team has deleted or filled in what README offers, and tests run in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sources import ROOT, files


def copied(target: Path, without: str | None = None) -> Path:
    """Copy what belongs to the repository but for one folder, and let git know of it."""
    for path in files():
        if without is None or not path.is_relative_to(without):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target / path)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=target, check=True)
    return target


def passing(copy: Path, *tests: str) -> str:
    """Run tests of a copy and return what pytest said. Raises AssertionError with its end where one does not pass."""
    path = os.pathsep.join(str(copy / folder) for folder in (".", "src"))
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(
        command, cwd=copy, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
    return ended.stdout
