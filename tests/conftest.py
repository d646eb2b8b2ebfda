"""What all tests share: a local platform of their own, so that no test sees a developer's state."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the local platform's state and the runs folder into the test's own folder."""
    monkeypatch.setenv("VISIONLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISIONLINE_RUNS", str(tmp_path / "runs"))
    return tmp_path
