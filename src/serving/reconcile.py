"""Makes an endpoint become what desired.json declares: loads beside the running, swaps the traffic, drains, unloads.

One look at the file and the state decides what is to do next, and looks follow each other for as long as the server
runs. So nothing waits for anything: while one version loads, a newer desired.json already moves the traffic. It knows
no HTTP.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from modelpackage import PackageError
from serving.deployments import Declared, Deployment, Endpoint, Traffic
from serving.desired import Desired, parse_desired
from serving.errors import ServingError, one_line
from serving.model import Model, load_model

LOOK_SECONDS = 0.02
DESIRED_FILE = "desired.json"

Load = Callable[[Path, str, str], Model]


class Reconciler:
    """Follows DIR/desired.json for one endpoint. Its methods run on the event loop; loads run in threads."""

    def __init__(self, folder: Path, endpoint: Endpoint, load: Load = load_model) -> None:
        """`load` gets a package folder, its digest and a variant, and returns the model or raises."""
        self._path = folder / DESIRED_FILE
        self._endpoint = endpoint
        self._load = load
        self._content: bytes | None = None
        self._desired = Desired(0, "", {}, {})
        self._loads: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                self.look()
            except Exception as error:  # a defect here must not end what is served; the next look tries again
                self._refuse(one_line(error))
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Do what can be done now toward the desired state. Needs a running event loop, for the loads."""
        self._read()
        self._start_loads()
        self._move_traffic()
        self._unload()
        if self._is_done():
            self._endpoint.observed = self._desired.generation

    def _read(self) -> None:
        try:
            content = self._path.read_bytes() if self._path.exists() else None
            if content != self._content:
                self._content = content
                self._take_up(_parse(content))
        except OSError as error:
            self._content = None
            self._refuse(f"it cannot be read ({error.strerror})")
        except ServingError as error:
            self._refuse(str(error))

    def _take_up(self, desired: Desired) -> None:
        endpoint = self._endpoint
        self._desired, endpoint.model, endpoint.error = desired, desired.model, None
        endpoint.observed = min(endpoint.observed, desired.generation - 1)
        # Whoever declares anew wants it tried anew.
        endpoint.deployments = [one for one in endpoint.deployments if one.state != "failed"]

    def _refuse(self, reason: str) -> None:
        message = f"{self._path}: {reason}: what is served stays until it is mended"
        if message != self._endpoint.error:
            _log(message)
        self._endpoint.error = message

    def _find(self, version: str, declared: Declared) -> Deployment | None:
        known = (one for one in self._endpoint.deployments if one.version == version and one.declared == declared)
        return next(known, None)

    def _start_loads(self) -> None:
        for version, declared in self._desired.deployments.items():
            if self._find(version, declared) is None:
                deployment = Deployment(version, declared)
                self._endpoint.deployments.append(deployment)
                task = asyncio.get_running_loop().create_task(self._fill(deployment))
                self._loads.add(task)  # the loop itself holds tasks weakly
                task.add_done_callback(self._loads.discard)

    async def _fill(self, deployment: Deployment) -> None:
        declared = deployment.declared
        try:
            package = Path(declared.package)
            deployment.model = await asyncio.to_thread(self._load, package, declared.digest, declared.variant)
        except PackageError as error:
            deployment.reason = str(error)
        except Exception as error:  # whatever a package holds must not end the server
            deployment.reason = one_line(error)
        _log(f"version {deployment.version} ({declared.variant}, {declared.digest}): {deployment.reason or 'ready'}")

    def _move_traffic(self) -> None:
        shares = []
        for version, percent in self._desired.traffic.items():
            deployment = self._find(version, self._desired.deployments[version])
            if deployment is None or deployment.state != "ready":
                return
            shares.append((deployment, percent))
        if tuple(shares) != self._endpoint.traffic.shares:
            self._endpoint.traffic = Traffic(tuple(shares))
            _log(f"traffic {self._endpoint.traffic.percents()}")

    def _unload(self) -> None:
        endpoint = self._endpoint
        for deployment in endpoint.deployments:
            deployment.is_draining = not self._is_wanted(deployment)
        kept = [one for one in endpoint.deployments if not one.is_draining or one.in_flight]
        for gone in [one for one in endpoint.deployments if one not in kept]:
            _log(f"version {gone.version} is unloaded")
        endpoint.deployments = kept

    def _is_wanted(self, deployment: Deployment) -> bool:
        declared = self._desired.deployments.get(deployment.version)
        return deployment.declared == declared or self._endpoint.traffic.has(deployment)

    def _is_done(self) -> bool:
        endpoint = self._endpoint
        settled = not any(one.is_draining or one.state == "loading" for one in endpoint.deployments)
        return settled and self._is_traffic_done()

    def _is_traffic_done(self) -> bool:
        wanted = [self._find(version, self._desired.deployments[version]) for version in self._desired.traffic]
        failed = any(one is not None and one.state == "failed" for one in wanted)
        return failed or self._endpoint.traffic.percents() == self._desired.traffic


def _parse(content: bytes | None) -> Desired:
    if content is None:
        raise ServingError("it is gone")
    return parse_desired(content)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
