"""Why a workload does not get ready, from what the cluster says of it and its pods. Pure: it asks nobody.

Source: kubernetes.io, "Debug Running Pods"; "Deployments: Failed Deployment".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
PULLING = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable")
NEVER_PULLED = ("InvalidImageName", "ErrImageNeverPull")
NOT_MADE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
CRASHED = "CrashLoopBackOff"
# The containers that read the version's package: what else crashes in a pod, as what fetches the model from a registry
# or a mesh's proxy, blames no version, and may come up again by itself.
OWN = ("runtime", "engine", "streams")
# What a registry says of an image that no waiting brings.
LASTING = ("not found", "unauthorized", "denied", "forbidden", "manifest unknown", "no basic auth")


@dataclass(frozen=True)
class Obstacle:
    """What is in the way. `is_final`: waiting does not help; `is_of_version`: the version's own fault.

    `pod` is the pod that can tell more: what it says of its readiness, or the last line of the container that crashed.
    """

    text: str
    is_final: bool = False
    is_of_version: bool = False
    pod: str | None = None
    crashed: str | None = None


def is_rolled_out(workload: Object, least: int = 0) -> bool:
    """Tell whether all pods, so many at least, are of the present template, and ready, and no other is left."""
    status, wanted = workload.get("status") or {}, max(least, int(workload["spec"].get("replicas", 1)))
    keys = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    all_, updated, ready, available = (int(status.get(key) or 0) for key in keys)
    is_seen = int(status.get("observedGeneration") or 0) >= int(workload["metadata"].get("generation") or 0)
    return is_seen and min(updated, ready, available) >= wanted and all_ <= updated


def obstacle(workload: Object, pods: Sequence[Object]) -> Obstacle | None:
    """Return the most telling obstacle, None where nothing is seen but that it takes time."""
    found = [*_of_workload(workload), *(one for pod in pods for one in _of_pod(pod))]
    return min(found, key=lambda one: (not one.is_final, not one.is_of_version, not one.crashed), default=None)


def is_ready(pod: Object) -> bool:
    """Tell whether a pod takes requests."""
    said = _conditions(pod).get("Ready", {}).get("status")
    return said == "True" and "deletionTimestamp" not in pod["metadata"]


def restarts(pod: Object) -> int:
    """Return how often the runtime of a pod was started again."""
    return sum(int(one.get("restartCount") or 0) for one in _containers(pod) if one["name"] == "runtime")


def _of_workload(workload: Object) -> Iterator[Obstacle]:
    failure = _conditions(workload).get("ReplicaFailure", {})
    if failure.get("status") == "True":
        said = failure.get("message") or failure.get("reason")
        is_quota = "quota" in str(said)
        advice = "free some or ask for more" if is_quota else "the cluster takes no such pod"
        yield Obstacle(f"no pod is made: {said}: {advice}", is_final=is_quota)


def _of_pod(pod: Object) -> Iterator[Obstacle]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if "deletionTimestamp" in pod["metadata"] or status.get("phase") == "Failed":
        return  # evicted, or on its way out: another one takes its place
    scheduled = _conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False":
        said = scheduled.get("message") or scheduled.get("reason")
        yield Obstacle(f"no node takes pod {name}: {said}: add nodes, or ask for less in infra/kubernetes")
    for container in _containers(pod):
        yield from _of_container(name, container)
    begun = status.get("initContainerStatuses") or []
    working = [one["name"] for one in begun if "running" in (one.get("state") or {})]
    if status.get("phase") == "Pending" and working:
        # The last one: those before it that still run are sidecars.
        yield Obstacle(f"pod {name}: init container {working[-1]} is at work: let kubernetes.rollout_seconds be longer")
    if status.get("phase") == "Running" and not is_ready(pod):
        yield Obstacle(f"pod {name} does not get ready", is_of_version=True, pod=name)


def _of_container(pod: str, container: Object) -> Iterator[Obstacle]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, said = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    name = str(container["name"])
    if reason == CRASHED or _is_tried_again(container):
        is_own = name in OWN
        yield Obstacle(f"pod {pod} crashes in container {name}{_end(container)}", is_own, is_own, pod, name)
    elif reason in NEVER_PULLED or (reason in PULLING and any(word in said for word in LASTING)):
        yield Obstacle(f"pod {pod}: {reason}: {said}: is the image pushed, and may the cluster pull it?", True)
    elif reason in (*PULLING, *NOT_MADE):
        yield Obstacle(f"pod {pod}: {reason}: {said}")


def _is_tried_again(container: Object) -> bool:
    """Tell whether a container that is no version's has crashed and is at it again: that it works says no reason."""
    is_at_it = not container.get("ready") and "running" in (container.get("state") or {})
    return container["name"] not in OWN and is_at_it and bool(_ended(container).get("exitCode"))


def _ended(container: Object) -> Object:
    return (container.get("lastState") or {}).get("terminated") or {}


def _end(container: Object) -> str:
    ended = _ended(container)
    if not ended:
        return ""
    return f" ({ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')})"


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _conditions(one: Object) -> dict[str, Object]:
    return {str(said["type"]): said for said in (one.get("status") or {}).get("conditions") or []}
