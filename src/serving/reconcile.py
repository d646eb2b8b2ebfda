"""Makes an endpoint become what desired.json declares: loads beside the running, swaps the traffic, drains, unloads.

One look at the file and the state decides what is to do next, and looks follow each other for as long as the server
runs. So nothing waits for anything: while one version loads, a newer desired.json already moves the traffic. It knows
no HTTP.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from modelpackage import PackageError
from serving.deployments import Deployment, Endpoint, ServedModel
from serving.desired import Declared, Desired, DesiredModel, parse_desired
from serving.errors import ServingError, one_line
from serving.model import Model, load_model
from serving.traffic import Traffic

LOOK_SECONDS = 0.02
LONE_THREADS = 2
SETTLED_NANOSECONDS = 100_000_000  # a file system's clock ticks each few ms: a change within a tick shows in no stamp
DESIRED_FILE = "desired.json"
NOTHING = DesiredModel()

Load = Callable[[Path, str, str, str], Model]
Stamp = tuple[int, int, int]


class Reconciler:
    """Follows DIR/desired.json for one endpoint. Its methods run on the event loop; loads run in threads."""

    def __init__(self, folder: Path, endpoint: Endpoint, load: Load | None = None) -> None:
        """`load` gets a package folder, its digest, a variant and an engine, and returns the model or raises.

        Without it models are loaded as serving.model does, their weights shared in DIR/weights.
        """
        self._path = folder / DESIRED_FILE
        self._endpoint = endpoint
        cores = len(os.sched_getaffinity(0))
        self._load: Load = load or partial(load_model, shared=folder / "weights", lone=min(LONE_THREADS, cores))
        self._stamp: Stamp | None = None
        self._content: bytes | None = None
        self._desired = Desired(0, {})
        self._loads: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

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
        models, endpoint = self._desired.models, self._endpoint
        for name in models:
            endpoint.models.setdefault(name, ServedModel(name))
        pairs = [(served, models.get(name, NOTHING)) for name, served in endpoint.models.items()]
        for served, wanted in pairs:
            self._start_loads(served, wanted)
            _move_traffic(served, wanted)
            _unload(served, wanted)
        endpoint.models = {name: one for name, one in endpoint.models.items() if name in models or one.deployments}
        if self._content is not None and all(_is_traffic_done(served, wanted) for served, wanted in pairs):
            endpoint.is_started = True
            if not any(_is_unsettled(one) for served, _ in pairs for one in served.deployments):
                endpoint.observed = self._desired.generation

    def _read(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp is None or stamp != self._stamp:
                content = self._path.read_bytes() if self._path.exists() else None
                self._stamp = stamp
                if content != self._content:
                    self._content = content
                    self._take_up(_parse(content))
        except OSError as error:
            self._stamp = self._content = None
            self._refuse(f"it cannot be read ({error.strerror})")
        except ServingError as error:
            self._refuse(str(error))

    def _take_up(self, desired: Desired) -> None:
        endpoint = self._endpoint
        self._desired, endpoint.error = desired, None
        endpoint.observed = min(endpoint.observed, desired.generation - 1)
        for served in endpoint.models.values():
            # Whoever declares anew wants it tried anew.
            served.deployments = [one for one in served.deployments if one.state != "failed"]

    def _refuse(self, reason: str) -> None:
        message = f"{self._path}: {reason}: what is served stays until it is mended"
        if message != self._endpoint.error:
            _log(message)
        self._endpoint.error = message

    def _start_loads(self, served: ServedModel, wanted: DesiredModel) -> None:
        for version, declared in wanted.deployments.items():
            if _find(served, version, declared) is None:
                deployment = Deployment(version, declared)
                served.deployments.append(deployment)
                task = asyncio.get_running_loop().create_task(self._fill(served, deployment))
                self._loads.add(task)  # the loop itself holds tasks weakly
                task.add_done_callback(self._loads.discard)

    async def _fill(self, served: ServedModel, deployment: Deployment) -> None:
        declared = deployment.declared
        async with self._turn:  # one after the other: two that measure themselves side by side measure each other
            if deployment not in served.deployments:
                return
            try:
                arguments = (Path(declared.package), declared.digest, declared.variant, declared.engine)
                deployment.model = await asyncio.to_thread(self._load, *arguments)
            except (PackageError, ServingError) as error:
                deployment.reason = str(error)
            except Exception as error:  # whatever a package holds must not end the server
                deployment.reason = one_line(error)
        # In the same turn of the loop: whoever asks the version's readiness and then scores is never told "no traffic".
        _move_traffic(served, self._desired.models.get(served.name, NOTHING))
        what = f"{served.name} version {deployment.version} ({declared.variant}, {declared.engine}, {declared.digest})"
        _log(f"{what}: {deployment.reason or 'ready'}")


def _find(served: ServedModel, version: str, declared: Declared) -> Deployment | None:
    known = (one for one in served.deployments if one.version == version and one.declared == declared)
    return next(known, None)


def _wanted_deployment(served: ServedModel, wanted: DesiredModel, version: str) -> Deployment | None:
    return _find(served, version, wanted.deployments[version])


def _move_traffic(served: ServedModel, wanted: DesiredModel) -> None:
    shadow = None if wanted.shadow is None else _wanted_deployment(served, wanted, wanted.shadow)
    served.shadow = shadow if shadow is not None and shadow.state == "ready" else None
    shares = []
    for version, percent in wanted.traffic.items():
        deployment = _wanted_deployment(served, wanted, version)
        if deployment is None or deployment.state != "ready":
            return
        shares.append((deployment, percent))
    if tuple(shares) != served.traffic.shares:
        served.traffic = Traffic(tuple(shares))
        _log(f"{served.name} traffic {served.traffic.percents()}")


def _unload(served: ServedModel, wanted: DesiredModel) -> None:
    for deployment in served.deployments:
        is_wanted = wanted.deployments.get(deployment.version) == deployment.declared
        deployment.is_draining = not is_wanted and not served.traffic.has(deployment)
    kept = [one for one in served.deployments if not one.is_draining or one.in_flight]
    for gone in [one for one in served.deployments if one not in kept]:
        _log(f"{served.name} version {gone.version} is unloaded")
    served.deployments = kept


def _is_unsettled(deployment: Deployment) -> bool:
    return deployment.is_draining or deployment.state == "loading"


def _is_traffic_done(served: ServedModel, wanted: DesiredModel) -> bool:
    targets = [_wanted_deployment(served, wanted, version) for version in wanted.traffic]
    failed = any(one is not None and one.state == "failed" for one in targets)
    return failed or served.traffic.percents() == wanted.traffic


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file does; None where that can't be told, so that the file has to be read."""
    try:
        known = path.stat()
    except FileNotFoundError:
        return None
    is_settled = time.time_ns() - known.st_ctime_ns > SETTLED_NANOSECONDS
    return (known.st_ctime_ns, known.st_size, known.st_ino) if is_settled else None


def _parse(content: bytes | None) -> Desired:
    if content is None:
        raise ServingError("it is gone")
    return parse_desired(content)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
