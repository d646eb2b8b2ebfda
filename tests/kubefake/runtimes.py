"""The real edge runtimes that pods stand for: processes of `python -m serving.endpoint`, kept for the next pod.

A process that nobody uses serves nothing: what a pod declares is loaded anew, so its counts begin at zero.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from kubefake.forwarding import Reply, forward


class Runtime:
    """One process, and what it was told to serve."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        from running_endpoint import RunningEndpoint  # here, for it imports what a session of unit tests need not

        self._endpoint = RunningEndpoint(folder)
        self._folder, self._generation = folder, 0
        self.url = self._endpoint.url

    def serve(self, models: dict[str, Any]) -> None:
        """Declare what it serves, and do not wait."""
        self._generation += 1
        temporary = self._folder / ".desired.json.new"
        temporary.write_text(json.dumps({"generation": self._generation, "models": models}), encoding="utf-8")
        temporary.replace(self._folder / "desired.json")

    def rest(self) -> None:
        """Serve nothing any more; return when that is so."""
        from running_endpoint import wait_for

        self.serve({})
        wait_for(lambda: self.report().get("observed_generation", 0) >= self._generation)

    def report(self) -> dict[str, Any]:
        """Return what it says on GET /deployments."""
        return self.ask("/deployments").json or {}

    def ask(self, path: str) -> Reply:
        """Ask it for a page."""
        return forward(self.url, "GET", path)

    def stop(self) -> None:
        """End the process."""
        self._endpoint.process.kill()
        self._endpoint.process.wait()
        self._endpoint.client.close()


class Runtimes:
    """All processes of a test session. They end with `stop`."""

    def __init__(self) -> None:
        """Start none yet."""
        self._scratch = tempfile.TemporaryDirectory(prefix="kubefake-")
        self._idle: list[Runtime] = []
        self._all: list[Runtime] = []

    def take(self) -> Runtime:
        """Return a process that serves nothing."""
        if self._idle:
            return self._idle.pop()
        made = Runtime(Path(self._scratch.name) / str(len(self._all)))
        self._all.append(made)
        return made

    def give(self, runtime: Runtime) -> None:
        """Take a process back, once it serves nothing."""
        runtime.rest()
        self._idle.append(runtime)

    def stop(self) -> None:
        """End all processes."""
        for one in self._all:
            one.stop()
        self._scratch.cleanup()
