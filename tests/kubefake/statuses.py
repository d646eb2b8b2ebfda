"""What the cluster says of pods: that they run, or why they do not."""

from __future__ import annotations

from kubefake.store import Object


def condition(type_: str, is_so: bool, reason: str, message: str = "") -> Object:
    """Return one condition."""
    return {"type": type_, "status": str(is_so), "reason": reason, "message": message}


def running(is_up: bool, container: str = "runtime") -> Object:
    """Return the status of a pod that runs, and is ready or not."""
    state = {"name": container, "ready": is_up, "restartCount": 0, "state": {"running": {}}}
    ready = condition("Ready", is_up, "" if is_up else "ContainersNotReady")
    return {
        "phase": "Running",
        "conditions": [condition("PodScheduled", True, ""), ready],
        "containerStatuses": [state],
    }


def failing(fault: str, text: str, container: str = "runtime") -> Object:
    """Return the status of a pod that a fault keeps from running."""
    not_ready = condition("Ready", False, "ContainersNotReady")
    if fault == "unschedulable":
        return {"phase": "Pending", "conditions": [condition("PodScheduled", False, "Unschedulable", text), not_ready]}
    if fault == "fetch":
        return _not_begun(failing("crash-loop", text, "model"), container)
    reason = "ImagePullBackOff" if fault == "image-pull" else "CrashLoopBackOff"
    said = f"Back-off pulling image: {text}" if fault == "image-pull" else "back-off 10s restarting failed container"
    state = {
        "name": container,
        "ready": False,
        "restartCount": 0 if fault == "image-pull" else 2,
        "state": {"waiting": {"reason": reason, "message": said}},
        "lastState": {} if fault == "image-pull" else {"terminated": {"exitCode": 1, "reason": "Error"}},
    }
    return {
        "phase": "Pending" if fault == "image-pull" else "Running",
        "conditions": [condition("PodScheduled", True, ""), not_ready],
        "containerStatuses": [state],
    }


def _not_begun(crashing: Object, container: str) -> Object:
    """Return the status of a pod whose init container is the one that crashes, so that no other has begun."""
    waits = {"name": container, "ready": False, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}
    begun = {"initContainerStatuses": crashing["containerStatuses"], "containerStatuses": [waits]}
    return {**crashing, "phase": "Pending", **begun}
