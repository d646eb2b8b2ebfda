"""What the demo does beside the steps: makes the clip, keeps clients asking, scores the video stream, clears the stage.

The edge runtime's commands are run, never imported: the two wings meet through commands and files.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops.adapters.local.stop import stop_endpoints
from mlops.config import REPOSITORY
from mlops.context import Context
from mlops.errors import StepError
from mlops.loading import write_json
from mlops.records import DataRecord, highest_approved, read_record, write_record

CLIENTS = 4
RATE = 10  # requests a second, by each client
CLIP_JOB = REPOSITORY / "mlops" / "jobs" / "stream.yml"
CAMERAS, STREAM_SECONDS = 8, 5
CLIP, RESULTS, BATCH = "clip", "results.jsonl", "clip-samples"
STATE = ("mlflow.db", "models", "endpoints", "packages")


@dataclass
class Scenes:
    """The production context of the demo's run, and the clients while they run."""

    production: Context
    clip: Path | None = None
    clients: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def play(self, name: str) -> str:
        """Play one scene and return its outcome in a few words."""
        scenes: dict[str, Callable[[], str]] = {
            "clip": self._make_clip,
            "load": self._start_clients,
            "stream": self._score_stream,
            "batch": self._publish_batch,
            "hush": self.stop_clients,
        }
        return scenes[name]()

    def leave(self) -> None:
        """End whatever still runs, on success and on failure alike."""
        for client in self.clients:
            client.kill()
        stop_endpoints(self.production.stage.home)

    def stop_clients(self) -> str:
        """End the clients; each writes its figures first."""
        for client in self.clients:
            client.send_signal(signal.SIGTERM)
        codes = [client.wait(timeout=60) for client in self.clients]
        self.clients.clear()
        if any(codes):
            raise StepError(f"the clients ended with exit code {max(codes)}: see {self.production.run / 'load.log'}")
        return "figures in load.json" if codes else ""

    def _make_clip(self) -> str:
        data = read_record(self.production.run / "v1", "data", DataRecord)
        result = self.production.jobs.run(CLIP_JOB, {"raw": data.path}, self.production.report)
        self.clip = Path(result.outputs["clip"])
        return "H.264 with the truth of each frame"

    def _start_clients(self) -> str:
        context, url = self.production, self.production.target.status().url
        asks = ["--url", str(url), "--model", context.stage.model, "--images", str(self._clip() / "samples")]
        flags = [*asks, "--clients", str(CLIENTS), "--rate", str(RATE), "--out", str(context.run / "load.jsonl")]
        with (context.run / "load.log").open("wb") as log:
            self.clients.append(subprocess.Popen(_serving("load", *flags), env=_environment(), stdout=log, stderr=log))
        return f"{CLIENTS} clients, until the end"

    def _score_stream(self) -> str:
        context, stage = self.production, self.production.stage
        served = highest_approved(context.registry.versions(stage.model), stage.name)
        if served is None:
            raise StepError("nothing is approved in production: the stream has no model")
        package = {"package": str(context.package(served.version)), "digest": served.digest}
        config, out = context.run / "streams.yaml", context.run / "cameras"
        write_json(config, _streams({**package, "variant": stage.release.variant}, self._clip(), out))
        _run(_serving("stream", "--config", str(config), "--seconds", str(STREAM_SECONDS)), context.report)
        clip = ["--source", str(self._clip() / "clip.mp4"), "--truth", str(self._clip() / "truth.json")]
        seen = ["--stream", CLIP, "--results", str(out / RESULTS), "--status", str(out / "status.json")]
        _run(_serving("clip", *clip, *seen, "--out", str(context.run / "stream")), context.report)
        return f"{CAMERAS} cameras and the clip, by version {served.version}"

    def _publish_batch(self) -> str:
        data = self.production.data.publish(BATCH, self._clip() / "samples")
        write_record(self.production.run / "batch", "data", data)
        return f"images of the clip, {data.version[:8]}"

    def _clip(self) -> Path:
        if self.clip is None:
            raise StepError("the clip was not made: the scene `clip` comes first")
        return self.clip


def clear_stage(home: Path) -> None:
    """Remove what an earlier demo registered and served; data and reusable steps stay."""
    stop_endpoints(home)
    for name in STATE:
        path = home / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _streams(model: dict[str, str], clip: Path, out: Path) -> dict[str, Any]:
    """Return streams.yaml: the clip, each frame of which is scored, and beside it cameras that show it in its time."""
    look = {"source": str(clip / "clip.mp4"), "region": json.loads((clip / "truth.json").read_bytes())["region"]}
    cameras = [{"name": f"camera-{number}", **look} for number in range(1, CAMERAS + 1)]
    return {
        "model": model,
        "out": str(out),
        "metrics": {"port": 0},
        "streams": [{"name": CLIP, "pace": "none", **look}, *cameras],
        "sinks": [{"kind": "jsonl", "path": str(out / RESULTS)}],
    }


def _serving(command: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", f"serving.{command}", *flags]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}


def _run(command: list[str], report: Callable[[str], None]) -> None:
    process = subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    last = "no output"
    for line in process.stdout:
        last = line.rstrip()
        report(last)
    if process.wait():
        raise StepError(f"{' '.join(command[1:3])} ended with {process.returncode}: {last}")
