"""What must start on an agent or a device that has little installed imports little: seen in a new process, not timed.

`python -m mlops` answers before anyone waits because no SDK is imported until an adapter needs it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from sources import ROOT

HEAVY = {
    "torch",
    "numpy",
    "onnx",
    "onnxruntime",
    "mlflow",
    "sqlalchemy",
    "azure",
    "kubernetes",
    "requests",
    "PIL",
    "av",
}
LIGHT = [
    ["-m", "mlops", "--help"],
    ["-m", "mlops", "status", "--help"],
    ["-m", "mlops", "deploy", "--help"],
    ["-m", "vision.fetch", "--help"],
    ["-m", "vision.images", "--help"],
    ["-m", "serving.endpoint", "--help"],  # the supervisor: its workers are what scores
    ["-c", "import modelpackage"],
]
EDGE = {"torch", "mlflow", "azure", "kubernetes", "onnx"}


def imported(arguments: list[str]) -> set[str]:
    """Return the top-level names of all modules that a Python process imported, as -X importtime lists them."""
    command = [sys.executable, "-X", "importtime", *arguments]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr.splitlines()[-1:]
    lines = (line for line in ended.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_a_light_command_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(arguments) & HEAVY == set()


def test_the_edge_runtime_imports_no_training_and_no_cloud() -> None:
    assert imported(["-m", "serving.worker", "--help"]) & EDGE == set()
    assert imported(["-m", "serving.stream", "--help"]) & EDGE == set()


def test_a_heavy_import_is_seen() -> None:
    assert "numpy" in imported(["-c", "import numpy"])
