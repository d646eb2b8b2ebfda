"""A team that keeps one CI system deletes the other's folder: the tests of this repository's shape go on passing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT, files

FOLDERS = [folder for folder in (".github", ".azure-pipelines") if (ROOT / folder).exists()]
# What reads the pipelines or the documents that speak of them; `make test-pipelines` runs all of tests/template.
READERS = ("test_pipelines_parity.py", "test_pipelines_mutation.py", "test_documentation.py", "test_tracked_text.py")


@pytest.mark.skipif(len(FOLDERS) < 2, reason="this project keeps one CI system: nothing more to delete")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", FOLDERS)
def test_without_one_systems_folder_the_rest_still_passes(folder: str, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    asked = ["tests/template"] if os.environ.get("VISIONLINE_PIPELINES") else [f"tests/template/{n}" for n in READERS]
    own = f"--ignore=tests/template/{Path(__file__).name}"
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", own, *asked]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:]
    assert "was deleted: nothing to compare" in ended.stdout


def copied(without: str, target: Path) -> None:
    """Copy what belongs to the repository but for one folder, and let git know of it."""
    for path in files():
        if path.parts[0] != without:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target / path)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=target, check=True)
