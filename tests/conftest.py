"""What all tests share: a local platform of their own, so that no test sees a developer's state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before anything imports torch: two threads on two busy cores are several times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the local platform's state and the runs folder into the test's own folder."""
    monkeypatch.setenv("VISIONLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISIONLINE_RUNS", str(tmp_path / "runs"))
    return tmp_path
