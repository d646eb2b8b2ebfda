"""What all tests share: a local platform of their own, so that no test sees a developer's state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from azurefake.fixture import azure, azure_authority  # noqa: F401 - fixtures that tests name
from hypothesis import HealthCheck, settings
from flux_pull_places import pull_place  # noqa: F401
from flux_stages import git_server  # noqa: F401
from kubectl import kubectl  # noqa: F401
from cluster_serving import serving, serving_home, serving_packages  # noqa: F401
from frozen_stages import FROZEN
from kubefake.fixture import cluster, runtimes  # noqa: F401
from rendered_trees import rendered_trees  # noqa: F401

# A busy machine must not fail a property, and a run must be what the run before was: `make fuzz` is what tries anew.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Before anything imports torch: two threads on two busy cores are several times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before anything imports onnxruntime, which src/serving and src/vision tell the same.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# A project fills mlops/stages in; tests, and the processes that they start, go on with the template's.
os.environ["VISIONLINE_STAGES"] = str(FROZEN)


@pytest.fixture(autouse=True)
def own_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the local platform's state and the runs folder into the test's own folder."""
    monkeypatch.setenv("VISIONLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISIONLINE_RUNS", str(tmp_path / "runs"))
    return tmp_path
