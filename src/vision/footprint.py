"""The memory that a variant costs: python -m vision.footprint FILE prints MiB, measured in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from vision.errors import VisionError
from vision.session import open_session

FRAME = (1, 28, 28, 3)


def memory_mb(path: Path) -> float:
    """Return by how many MiB a fresh process grows that loads a variant and scores one frame, ONNX Runtime left out."""
    command = [sys.executable, "-m", "vision.footprint", str(path)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise VisionError(f"{path}: its memory cannot be measured ({reason}): run vision.export again")
    return float(child.stdout)


def resident_kb() -> int:
    """Return this process's resident memory in KiB: from /proc where there is one, else from ps (macOS)."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() // 1024
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(shown.stdout)


def _grown_by(path: Path) -> float:
    before = resident_kb()
    session = open_session(path)
    session.run(None, {"frames": np.zeros(FRAME, np.uint8)})
    return (resident_kb() - before) / 1024


if __name__ == "__main__":
    onnxruntime.get_available_providers()
    print(round(_grown_by(Path(sys.argv[1])), 2))
