"""Runs `python -m serving.endpoint` for tests, in a process of its own, and declares what it shall serve."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from model_packages import MODEL

REPOSITORY = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 60.0


def environment() -> dict[str, str]:
    """Return the environment in which the commands of src/serving run."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}


def run_serving(command: str, *flags: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m serving.<command>` to its end."""
    line = [sys.executable, "-m", f"serving.{command}", *map(str, flags)]
    return subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=DEADLINE_SECONDS)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Return what the condition returns as soon as it is true. Raises AssertionError at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("the deadline passed")


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """Return an image file of one colour; size is width, height."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), colour, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


class RunningEndpoint:
    """One server process on `folder`, and a client of it."""

    def __init__(self, folder: Path, *flags: str | Path) -> None:
        """Start the server, by one worker where no flag says otherwise, and wait until it says where it listens."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.json").unlink(missing_ok=True)
        line = [sys.executable, "-m", "serving.endpoint", "--directory", str(folder), "--workers", "1"]
        line += map(str, flags)
        self.folder = folder
        self.process = subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL)
        wait_for((folder / "server.json").exists)
        self.server = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        self.url: str = self.server["url"]
        self.client = httpx.Client(base_url=self.url, timeout=DEADLINE_SECONDS, trust_env=False)

    def report(self) -> dict[str, Any]:
        """Return what GET /deployments answers, and at its top what it says of MODEL."""
        answer = self.client.get("/deployments").json()
        return {**answer, **answer["models"].get(MODEL, {})}

    def declare(self, deployments: dict[str, dict[str, str]], traffic: dict[str, int]) -> dict[str, Any]:
        """Declare the next generation and return the report once it is done."""
        generation = declare(self.folder, deployments, traffic)
        return self.wait_until_observed(generation)

    def wait_until_observed(self, generation: int) -> dict[str, Any]:
        """Return the report once everything of a generation is done."""
        wait_for(lambda: self.report()["observed_generation"] >= generation)
        return self.report()

    def stop(self) -> int:
        """End the server as an operator does and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=DEADLINE_SECONDS)


def declare(folder: Path, deployments: dict[str, dict[str, str]], traffic: dict[str, int]) -> int:
    """Write the next generation of desired.json, whole or not at all, and return its number."""
    path = folder / "desired.json"
    generation = json.loads(path.read_text(encoding="utf-8"))["generation"] + 1 if path.exists() else 1
    model = {"deployments": deployments, "traffic": traffic, "shadow": None}
    content = {"generation": generation, "models": {MODEL: model}}
    temporary = folder / ".desired.json.new"
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)
    return generation


@contextmanager
def running_endpoint(folder: Path, *flags: str | Path) -> Iterator[RunningEndpoint]:
    """Run an endpoint for the length of a test; it is killed at the end, however the test ends."""
    endpoint = RunningEndpoint(folder, *flags)
    try:
        yield endpoint
    finally:
        endpoint.client.close()
        endpoint.process.kill()
        endpoint.process.wait()
