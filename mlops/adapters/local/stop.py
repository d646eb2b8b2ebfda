"""Stops the endpoints of the local platform; their state stays, and the next deploy starts them again.

Run: python -m mlops.adapters.local.stop (or `make stop`).
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from mlops.adapters.local.target import LocalTarget
from mlops.config import load_stage
from mlops.errors import TargetError
from mlops.names import STAGES

DEADLINE_SECONDS = 30.0


def stop_endpoints(home: Path) -> list[str]:
    """End each endpoint under a home and return the stages' names. Raises TargetError where one doesn't end."""
    folders = [home / "endpoints" / stage for stage in STAGES]
    return [folder.name for folder in folders if folder.exists() and _stop(LocalTarget(folder, "", 0))]


def _stop(target: LocalTarget) -> bool:
    if not target.is_running():
        return False
    process = json.loads((target.folder / "server.json").read_text(encoding="utf-8"))["pid"]
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while target.is_running():
        if time.monotonic() > deadline:
            raise TargetError(f"{target.folder.name}: process {process} does not end: kill it by hand")
        time.sleep(0.02)
    return True


if __name__ == "__main__":
    print("stopped:", ", ".join(stop_endpoints(load_stage(STAGES[0]).home)) or "nothing was running")
