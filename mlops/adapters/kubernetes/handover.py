"""Hands a workload's replicas over to an autoscaler, and takes them back once no autoscaler has the workload any more.

To an autoscaler: a field that was applied and no longer is goes, unless another manager has it, too, and the API's
default takes its place: one pod. So another manager of ours keeps the number that is there, until the autoscaler
changes it and has it alone.

And back: who scaled a workload still owns the field after it is gone, and would be a conflict for ever. A scaler that
the stage no longer declares is deleted first: for as long as it is there it sets the number again.

Sources: kubernetes.io, "Server-Side Apply" (Transferring ownership); keda.sh, "Scaling Deployments" (a ScaledObject
has an HPA of its own, and KEDA takes both away).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from mlops.adapters.kubernetes.kinds import Kinds, Object, is_owned
from mlops.adapters.kubernetes.refusals import Refused
from mlops.errors import TargetError

KEEPER = "visionline-handover"
REPLICAS = ".spec.replicas"
SCALERS = (("keda.sh/v1alpha1", "ScaledObject"), ("autoscaling/v2", "HorizontalPodAutoscaler"))
AUTOSCALERS = ("kube-controller-manager", "keda")  # as the managers of fields are called that they set
LOOK_SECONDS = 0.2
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


def may_take(kinds: Kinds, one: Object, manager: str, field: str) -> bool:
    """Tell whether a field that another manager owns is what an autoscaler left behind of a workload."""
    if (one["kind"], field) != ("Deployment", REPLICAS) or not manager.startswith(AUTOSCALERS):
        return False
    metadata = one["metadata"]
    return metadata["name"] not in {_target(scaler) for scaler in _scalers(kinds, metadata["namespace"])}


def end_scaling(kinds: Kinds, namespace: str, stage: str, kept: Iterable[Object], seconds: float) -> None:
    """Delete the scalers of a stage that are not among those kept, and return when their workloads have none.

    `stage` is a label's query. A scaler that a controller made for another object goes with that one. Raises
    TargetError where they are still there after so many seconds.
    """
    names = {(one["kind"], one["metadata"]["name"]) for one in kept}
    found = {(one["kind"], one["metadata"]["name"]): one for one in _scalers(kinds, namespace, stage)}
    going = [one for key, one in found.items() if key not in names and not is_owned(one)]
    for one in going:
        _delete(kinds, one)
    targets, deadline = {_target(one) for one in going}, time.monotonic() + seconds
    while left := sorted(targets & {_target(one) for one in _scalers(kinds, namespace) if not _is_kept(one, names)}):
        if time.monotonic() > deadline:
            raise TargetError(f"{namespace}: {left[0]} is still scaled after {seconds:.0f} s: delete what scales it")
        time.sleep(LOOK_SECONDS)


def _is_kept(one: Object, names: set[tuple[str, str]]) -> bool:
    owners = {(owner["kind"], owner["name"]) for owner in one["metadata"].get("ownerReferences") or []}
    return bool(names & {(one["kind"], one["metadata"]["name"]), *owners})


def _scalers(kinds: Kinds, namespace: str, labels: str = "") -> Iterator[Object]:
    for api_version, kind in SCALERS:
        place = kinds.find(api_version, kind)
        if place is None:
            continue
        query = {"labelSelector": labels} if labels else {}
        for one in kinds.cluster.request("GET", place.path(namespace), query=query)["items"]:
            yield {"apiVersion": api_version, "kind": kind, **one}


def _target(scaler: Object) -> str:
    return str(scaler["spec"]["scaleTargetRef"]["name"])


def _delete(kinds: Kinds, one: Object) -> None:
    try:
        kinds.cluster.request("DELETE", kinds.path(one))
    except Refused as error:
        if error.status != 404:
            raise


def _has_replicas(live: Object, manager: str) -> bool:
    entries: list[dict[str, Any]] = live["metadata"].get("managedFields") or []
    ours = [one for one in entries if (one.get("manager"), one.get("operation")) == (manager, "Apply")]
    return any("f:replicas" in (one.get("fieldsV1") or {}).get("f:spec", {}) for one in ours)
