"""Hands a workload's replicas over to an autoscaler: without that, to leave the field out sets it back to one pod.

A field that was applied and no longer is goes, unless another manager has it, too, and the API's default takes its
place. So another manager of ours keeps the number that is there, until the autoscaler changes it and has it alone.

Source: kubernetes.io, "Server-Side Apply" (Transferring ownership).
"""

from __future__ import annotations

from typing import Any

from mlops.adapters.kubernetes.kinds import Kinds, Object
from mlops.adapters.kubernetes.refusals import Refused

KEEPER = "visionline-handover"
APPLY = "application/apply-patch+yaml"


def keep_replicas(kinds: Kinds, one: Object, manager: str) -> None:
    """See that an object whose replicas this manager applied, and is about to leave out, keeps as many.

    Raises TargetError where the cluster can't be asked.
    """
    if one["kind"] != "Deployment" or "replicas" in one["spec"]:
        return
    live = kinds.cluster.find(kinds.path(one))
    if live is None or not _has_replicas(live, manager):
        return
    place = {key: live["metadata"][key] for key in ("name", "namespace")}
    body = {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": place}
    body["spec"] = {"replicas": live["spec"]["replicas"]}
    try:
        kinds.cluster.request("PATCH", kinds.path(one), body, {"fieldManager": KEEPER, "force": "false"}, APPLY)
    except Refused as error:
        if error.status != 409:  # a conflict: the autoscaler was faster, and has the field already
            raise


def _has_replicas(live: Object, manager: str) -> bool:
    entries: list[dict[str, Any]] = live["metadata"].get("managedFields") or []
    ours = [one for one in entries if (one.get("manager"), one.get("operation")) == (manager, "Apply")]
    return any("f:replicas" in (one.get("fieldsV1") or {}).get("f:spec", {}) for one in ours)
