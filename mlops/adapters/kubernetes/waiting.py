"""Waits for what a cluster does, by watches that begin anew wherever they break, and says why it is not done.

Source: kubernetes.io, "Kubernetes API Concepts: Efficient detection of changes".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode

from mlops.adapters.kubernetes.cluster import Cluster
from mlops.adapters.kubernetes.kinds import Object
from mlops.adapters.kubernetes.pods import Pods
from mlops.adapters.kubernetes.reasons import Obstacle, is_rolled_out, obstacle
from mlops.adapters.kubernetes.refusals import hidden, refusal
from mlops.delivery import version_name
from mlops.errors import DeployError, StepError, TargetError

T = TypeVar("T")
WATCH_SECONDS = 2.0  # pods tell of themselves what no Deployment's change does


@dataclass(frozen=True)
class Watched:
    """What is looked at again when it changes: objects of one path that a query selects."""

    cluster: Cluster
    path: str
    query: dict[str, str]


def until(watched: Watched, look: Callable[[list[Object]], T | None], seconds: float) -> T | None:
    """Return what `look` makes of the objects as soon as that is not None; None after `seconds`.

    Each look is at a list: whatever a broken watch missed, it shows.
    """
    deadline = time.monotonic() + seconds
    while True:
        listed = watched.cluster.request("GET", watched.path, query=watched.query)
        found = look(listed["items"])
        left = deadline - time.monotonic()
        if found is not None or left <= 0:
            return found
        _await_change(watched, listed["metadata"]["resourceVersion"], min(left, WATCH_SECONDS))


def rolled_out(watched: Watched, pods: Pods, version: int, seconds: float, least: int = 0) -> None:
    """Return once a version's Deployment is rolled out, with so many pods at least.

    Raises DeployError where the version is to blame that it is not, TargetError where the cluster is.
    """
    last: list[Obstacle] = []

    def look(deployments: list[Object]) -> bool | None:
        name = version_name(pods.model, version)
        found = next((one for one in deployments if one["metadata"]["name"] == name), None)
        if found is None:
            raise TargetError(f"{pods.namespace}: {name} was deleted meanwhile: run the step again")
        if is_rolled_out(found, least):
            return True
        last[:] = [one] if (one := _told(pods, version, obstacle(found, pods.of(version)))) else []
        return False if last and last[0].is_final else None

    if not until(watched, look, seconds):
        raise _failure(pods, version, last[0] if last else None, seconds)


def awake(watched: Callable[[int], Watched], pods: Pods, versions: Iterable[int], seconds: float) -> None:
    """Return once versions that may have slept are ready: a new one is compared with them. A broken one is left."""
    for version in versions:
        with suppress(StepError):
            rolled_out(watched(version), pods, version, seconds, 1)


def expect_end(watched: Watched, place: str, seconds: float) -> None:
    """Return once nothing is there any more of what is watched. Raises TargetError where something still is."""
    if not until(watched, lambda found: None if found else True, seconds):
        raise TargetError(f"{place} does not end within {seconds:.0f} s: run the step again")


def _told(pods: Pods, version: int, found: Obstacle | None) -> Obstacle | None:
    """Return the obstacle with what the pod itself says: the runtime's reason, or its last line."""
    if found is None or found.pod is None:
        return found
    if found.crashed:
        line = pods.last_line(found.pod, found.crashed)
        return replace(found, text=f"{found.text}{f': {line}' if line else ''}")
    said = pods.report(found.pod, version)
    if said is None or said["state"] == "ready":
        return found
    is_final = said["state"] == "failed"
    return Obstacle(f"{found.text}: {said['reason'] or said['state']}", is_final, True, found.pod)


def _failure(pods: Pods, version: int, found: Obstacle | None, seconds: float) -> DeployError | TargetError:
    late = "" if found and found.is_final else f" within {seconds:.0f} s"
    why = found.text if found else "the cluster says no reason: see `kubectl describe`"
    text = f"version {version} does not get ready in {pods.namespace}{late}: {hidden(why)}"
    return DeployError(text) if found and found.is_of_version else TargetError(text)


def _await_change(watched: Watched, version: str, seconds: float) -> None:
    """Return at the first event after a version of the list, or when the watch ends, however that comes."""
    from urllib3.exceptions import HTTPError

    query = {**watched.query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(max(1, round(seconds)))}
    address = f"{watched.path}?{urlencode(query)}"
    started = time.monotonic()
    try:
        response = watched.cluster.open("GET", address, None, {"Accept": "application/json"}, seconds)
        try:
            if response.status in (401, 403):
                raise refusal(response.status, response.read(), f"watch {watched.path}")
            if response.status == 200:
                next(_lines(response), None)
                return
        finally:
            response.close()
    except (HTTPError, OSError):
        pass
    # The server went away, or watches nothing now; the list that follows waits for it, but not at once.
    time.sleep(max(0.0, min(0.1, seconds) - (time.monotonic() - started)))


def _lines(response: Any) -> Iterator[bytes]:
    for chunk in response.stream(65536, decode_content=True):
        if chunk.strip():
            yield chunk
