"""DeployTarget on this machine: one edge runtime a stage, on loopback, that follows a declared state.

`desired.json` is the whole of what this adapter decides; the runtime (python -m serving.endpoint) converges to it
and says on GET /deployments how far it is. So a killed release leaves a declared state, and a killed runtime starts
from it.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops.storage import locked
from mlops.client import JsonClient
from mlops.config import REPOSITORY, Stage
from mlops.errors import BusyError, DeployError, TargetError
from mlops.loading import read_json, write_json
from mlops.ports import Deployment, DeploymentStatus, EndpointStatus

DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Declared:
    """One deployment of desired.json."""

    package: str
    digest: str
    variant: str
    engine: str = "onnxruntime"


@dataclass(frozen=True)
class DesiredModel:
    """One model of desired.json. Versions are strings, as JSON's keys are; `shadow` is one without traffic."""

    deployments: dict[str, Declared]
    traffic: dict[str, int]
    shadow: str | None = None


@dataclass(frozen=True)
class Desired:
    """desired.json: what the runtime shall serve. Of its models this adapter declares one, and lets the others be."""

    generation: int
    models: dict[str, DesiredModel]


@dataclass(frozen=True)
class LocalTarget:
    """The endpoint whose state is in `folder`. Port 0 takes a free port once and keeps it; workers are processes.

    `variant` is the one that the stage file wants served by now; empty: whichever is.
    """

    folder: Path
    model: str
    port: int
    workers: int = 1
    variant: str = ""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the endpoint for one release, until this process ends. Raises BusyError naming the holder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "release.lock").open("a+", encoding="utf-8") as file:
            _lock_or_raise(file, self.folder.name)
            yield

    def status(self) -> EndpointStatus:
        """Return what the runtime says; where it does not run, the traffic that it will have when it does."""
        desired = self._desired()
        declared = self._own(desired).traffic
        answer = self._ask()
        if answer is None:
            return EndpointStatus(None, _integers(declared), {})
        url = self._url() or ""
        served = answer["models"].get(self.model, {"deployments": {}, "traffic": {}})
        seen = {int(v): self._deployment(url, int(v), d) for v, d in served["deployments"].items()}
        behind = answer["observed_generation"] < desired.generation
        return EndpointStatus(url, _integers(declared if behind else served["traffic"]), seen)

    def deploy(self, deployment: Deployment) -> None:
        """Load a version beside the others, or as another variant of itself.

        Raises DeployError where it does not load: then it is what it was before, or away.
        """
        version = str(deployment.version)
        before = self._own(self._desired()).deployments.get(version)
        declared = Declared(str(deployment.package), deployment.digest, deployment.variant)
        self._declare(lambda now: replace(now, deployments={**now.deployments, version: declared}))
        seen = self.status().deployments[deployment.version]
        if seen.state != "ready":
            self._take_back(deployment.version, before)
            raise DeployError(f"version {version} does not load on {self.folder.name}: {seen.reason}")

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Split the traffic. Raises TargetError where a version of it is not ready."""
        wanted = {str(version): percent for version, percent in traffic.items()}
        self._declare(lambda now: replace(now, traffic=wanted))
        if self.status().traffic != dict(traffic):
            raise TargetError(
                f"{self.folder.name}: traffic {dict(traffic)} is not in force: see {self.folder}/server.log"
            )

    def remove(self, version: int) -> None:
        """Unload a version after its last request. Raises TargetError where it still has traffic."""
        if _integers(self._own(self._desired()).traffic).get(version):
            raise TargetError(f"{self.folder.name}: version {version} has traffic: move it away before removing it")
        self._declare(lambda now: replace(now, deployments=_without(now.deployments, str(version))))

    def _take_back(self, version: int, before: Declared | None) -> None:
        if before is None:
            return self.remove(version)
        self._declare(lambda now: replace(now, deployments={**now.deployments, str(version): before}))

    def _declare(self, change: Callable[[DesiredModel], DesiredModel]) -> None:
        # Others write it too, each under this lock: whoever loads another model on this endpoint by hand.
        with locked(self.folder / "desired.lock"):
            now = self._desired()
            own = _valid(change(self._own(now)))
            wanted = replace(now, models={**now.models, self.model: own})
            if wanted != now:
                wanted = replace(wanted, generation=now.generation + 1)
                write_json(self.folder / "desired.json", wanted)
        self._ensure_running()
        self._wait_for(lambda answer: answer["observed_generation"] >= wanted.generation, "to follow desired.json")

    def _desired(self) -> Desired:
        path = self.folder / "desired.json"
        return read_json(Desired, path) if path.exists() else Desired(0, {})

    def _own(self, desired: Desired) -> DesiredModel:
        return desired.models.get(self.model, DesiredModel({}, {}))

    def _deployment(self, url: str, version: int, seen: Mapping[str, Any]) -> DeploymentStatus:
        path = f"/v2/models/{self.model}/versions/{version}/infer"
        counts = (seen["requests"], seen["errors"])
        said = (seen["digest"], seen["state"], seen["reason"], *counts, url, path)
        return DeploymentStatus(version, *said, is_current=self.variant in ("", seen["variant"]))

    def _url(self) -> str | None:
        try:
            return str(json.loads((self.folder / "server.json").read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError, KeyError):
            return None

    def _ask(self) -> dict[str, Any] | None:
        url = self._url()
        if url is None or not self.is_running():
            return None
        with JsonClient(url) as client:
            answer = client.request("GET", "/deployments")
        return answer.body if answer.status == 200 else None

    def is_running(self) -> bool:
        """Tell whether the runtime lives."""
        # The runtime holds this lock for life: a lock can't be stale, and a process number could be another's.
        try:
            with (self.folder / "server.lock").open("a+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True

    def _ensure_running(self) -> None:
        started = None if self.is_running() else self._start()
        self._wait_for(lambda answer: True, "to start", started)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "serving.endpoint",
            "--directory",
            str(self.folder),
            "--port",
            str(self._port()),
            "--workers",
            str(self.workers),
        ]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}
        with (self.folder / "server.log").open("ab") as log:
            # A session of its own: the endpoint outlives the release that started it, and its terminal.
            quiet = subprocess.DEVNULL
            return subprocess.Popen(
                command, env=environment, stdin=quiet, stdout=log, stderr=log, start_new_session=True
            )

    def _port(self) -> int:
        kept = urlsplit(self._url() or "").port
        return kept if self.port == 0 and kept else self.port

    def _wait_for(
        self, condition: Callable[[dict[str, Any]], bool], what: str, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline and (process is None or process.poll() is None):
            answer = self._ask()
            if answer is not None and condition(answer):
                return
            time.sleep(POLL_SECONDS)
        log = self.folder / "server.log"
        raise TargetError(f"{self.folder.name}: waited in vain for the endpoint {what}: {_last_line(log)} (see {log})")


def open_target(stage: Stage) -> LocalTarget:
    """Return the endpoint of a stage."""
    folder, local = stage.home / "endpoints" / stage.name, stage.local
    return LocalTarget(folder, stage.model, local.port, local.workers, stage.release.variant)


def _lock_or_raise(file: Any, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        raise BusyError(f"{name}: {holder} is releasing to it now: run again when that has ended") from None
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()


def _valid(model: DesiredModel) -> DesiredModel:
    """Return the model without a shadow that is deployed no more, or has traffic now."""
    is_shadow = model.shadow in model.deployments and not model.traffic.get(model.shadow)
    return model if is_shadow else replace(model, shadow=None)


def _without(deployments: Mapping[str, Declared], version: str) -> dict[str, Declared]:
    return {name: one for name, one in deployments.items() if name != version}


def _integers(traffic: Mapping[str, int]) -> dict[int, int]:
    return {int(version): percent for version, percent in traffic.items()}


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it wrote nothing"
