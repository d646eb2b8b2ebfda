"""StatefulSets of the fake cluster: pods by number, of which an update replaces one at a time, the last first.

No process stands for such a pod: it is ready where its images are there to pull and no fault is its own. Source:
kubernetes.io, "StatefulSets" (Parallel pod management; Rolling Updates).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from kubefake.kinds import BY_KIND
from kubefake.statuses import failing, running
from kubefake.store import Object, Store

SET, POD = BY_KIND["StatefulSet"], BY_KIND["Pod"]
HASH, VERSION = "controller-revision-hash", "app.kubernetes.io/version"
Faults = Mapping[str, tuple[str, str]]


def reconcile_sets(store: Store, packages: Mapping[str, Path], faults: Faults) -> set[str]:
    """Do what is to be done next for each StatefulSet, and return their uids; `faults` as of a kubelet."""
    sets = store.list(SET)
    for one in sets:
        _reconcile(store, one, packages, faults)
    return {one["metadata"]["uid"] for one in sets}


def fault_of(faults: Faults, owner: str, labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the fault of a workload's pods, or of those of one version alone: streams-v2."""
    return faults.get(owner) or faults.get(f"{owner}-v{labels.get(VERSION)}") or ("", "")


def _reconcile(store: Store, one: Object, packages: Mapping[str, Path], faults: Faults) -> None:
    metadata, template = one["metadata"], one["spec"]["template"]
    key = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    wanted = range(one["spec"].get("replicas", 1))
    for number in wanted:
        if number not in _pods(store, one):
            _make_pod(store, one, number, key)
    for number, pod in _pods(store, one).items():
        if number not in wanted:
            store.remove(POD, metadata["namespace"], pod["metadata"]["name"])
    for _, pod in sorted(_pods(store, one).items(), reverse=True):
        labels = pod["metadata"]["labels"]
        if labels[HASH] != key:
            store.remove(POD, metadata["namespace"], pod["metadata"]["name"])
            break  # its successor comes at the next look
        if not _runs(store, pod, packages, fault_of(faults, metadata["name"], labels)):
            break
    _say(store, one, key)


def _make_pod(store: Store, one: Object, number: int, key: str) -> None:
    metadata, template = one["metadata"], one["spec"]["template"]
    given = template["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": metadata["name"], "uid": metadata["uid"]}
    labels = {**given["labels"], HASH: key, "apps.kubernetes.io/pod-index": str(number)}
    name = f"{metadata['name']}-{number}"
    notes = given.get("annotations", {})
    body = {"metadata": {"name": name, "labels": labels, "annotations": notes, "ownerReferences": [owner]}}
    store.create(POD, metadata["namespace"], {**body, "spec": template["spec"]}, "kube-controller-manager")
    store.set_status(POD, metadata["namespace"], name, {"phase": "Pending"})


def _runs(store: Store, pod: Object, packages: Mapping[str, Path], fault: tuple[str, str]) -> bool:
    """Let a pod run, unless something keeps it from that; tell whether it does."""
    container = pod["spec"]["containers"][0]["name"]
    images = [volume["image"]["reference"] for volume in pod["spec"]["volumes"] if "image" in volume]
    unknown = [image for image in images if image not in packages]
    if unknown and not fault[0]:
        fault = ("image-pull", f'failed to resolve reference "{unknown[0]}": not found')
    is_up = not fault[0]
    status = running(is_up, container) if fault[0] in ("", "unready") else failing(*fault, container)
    store.set_status(POD, pod["metadata"]["namespace"], pod["metadata"]["name"], status)
    return is_up


def _say(store: Store, one: Object, key: str) -> None:
    pods = _pods(store, one).values()
    ready = sum("containerStatuses" in pod["status"] and pod["status"]["containerStatuses"][0]["ready"] for pod in pods)
    status = {
        "observedGeneration": one["metadata"]["generation"],
        "replicas": len(pods),
        "updatedReplicas": sum(pod["metadata"]["labels"][HASH] == key for pod in pods),
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    store.set_status(SET, one["metadata"]["namespace"], one["metadata"]["name"], status)


def _pods(store: Store, one: Object) -> dict[int, Object]:
    metadata = one["metadata"]
    found = store.list(POD, metadata["namespace"])
    mine = [pod for pod in found if pod["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]]
    return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in mine}
