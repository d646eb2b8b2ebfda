"""Deployments, their pods and the kubelet of the fake cluster: a thread that makes of what is wanted what is so.

StatefulSets are those of kubefake.workers.

A pod of an image that a test has a package for is a real edge runtime; what its container is mounted and told is read
from the pod's own template, as a kubelet reads it. Faults by Deployment's name: see FAULTS.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubefake.kinds import BY_KIND, Kind
from kubefake.runtimes import Runtime, Runtimes
from kubefake.statuses import condition, failing, running
from kubefake.store import Object, Refused, Store, now
from kubefake.workers import reconcile_sets

DEPLOYMENT, POD, CONFIG_MAP, EVENT = (BY_KIND[name] for name in ("Deployment", "Pod", "ConfigMap", "Event"))
SCALED_OBJECT = BY_KIND["ScaledObject"]
FAULTS = ("image-pull", "crash-loop", "fetch", "unready", "unschedulable", "quota")
TICK_SECONDS = 0.02
HASH = "pod-template-hash"


@dataclass
class Kubelet:
    """Follows the store. `packages`: which package an image stands for; `faults`: (fault, text) by Deployment."""

    store: Store
    runtimes: Runtimes
    packages: dict[str, Path] = field(default_factory=dict)
    faults: dict[str, tuple[str, str]] = field(default_factory=dict)
    running: dict[str, Runtime] = field(default_factory=dict)  # by pod's uid
    numbers: int = 0
    _seen: tuple[int, str] = (0, "")
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    problems: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Follow the store from now on."""
        self._thread = threading.Thread(target=self._follow, name="kubelet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Follow it no more, and let all pods go."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
        for runtime in self.running.values():
            self.runtimes.give(runtime)
        self.running.clear()

    def pods(self, namespace: str, selector: dict[str, str]) -> list[Object]:
        """Return the pods that bear all of the labels."""
        found = self.store.list(POD, namespace)
        return [one for one in found if selector.items() <= one["metadata"].get("labels", {}).items()]

    def ready(self, namespace: str, selector: dict[str, str]) -> list[Runtime]:
        """Return the runtimes of the ready pods that bear all of the labels."""
        pods = [one for one in self.pods(namespace, selector) if is_ready(one)]
        return [self.running[uid] for one in pods if (uid := one["metadata"]["uid"]) in self.running]

    def evict(self, pod: Object) -> None:
        """Take a pod off its node, as where a node runs out of memory."""
        with self.store.locked():
            status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
            self.store.set_status(POD, pod["metadata"]["namespace"], pod["metadata"]["name"], status)
            self._let_go(pod)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                with self.store.locked():
                    if self._seen != (self.store.version, str(self.faults)) or not self._is_settled():
                        self._seen = (self.store.version, str(self.faults))
                        self._tick()
            except Exception as error:  # noqa: BLE001 - a test must hear of it
                self.problems.append(error)
            self._stopped.wait(TICK_SECONDS)

    def _is_settled(self) -> bool:
        """Tell whether nothing happens by itself: a fault that lasts changes nothing, either."""
        pods = self.store.list(POD)
        return all(is_ready(one) or "waiting" in str(one.get("status")) for one in pods) and not any(
            "deletionTimestamp" in one["metadata"] for one in [*pods, *self.store.list(DEPLOYMENT)]
        )

    def _tick(self) -> None:
        self._scale()
        deployments = {one["metadata"]["uid"]: one for one in self.store.list(DEPLOYMENT)}
        sets = reconcile_sets(self.store, self.packages, self.faults)
        for pod in self.store.list(POD):
            if _owner(pod) not in {*deployments, *sets}:
                self._end(pod)
        for deployment in deployments.values():
            self._reconcile(deployment)

    def _scale(self) -> None:
        """Give each version that KEDA scales as few pods as it may have: nobody asks for more here."""
        for scaler in self.store.list(SCALED_OBJECT):
            name, least = scaler["spec"]["scaleTargetRef"]["name"], scaler["spec"].get("minReplicaCount", 0)
            for one in self.store.list(DEPLOYMENT, scaler["metadata"]["namespace"]):
                if one["metadata"]["name"] == name and one["spec"].get("replicas", 1) != least:
                    changed = {**one, "spec": {**one["spec"], "replicas": least}}
                    self.store.replace(DEPLOYMENT, one["metadata"]["namespace"], changed, "keda")

    def _reconcile(self, deployment: Object) -> None:
        metadata = deployment["metadata"]
        pods = [one for one in self.store.list(POD, metadata["namespace"]) if _owner(one) == metadata["uid"]]
        if "deletionTimestamp" in metadata:
            for pod in pods:
                self._end(pod)
            if not pods:
                self.store.remove(DEPLOYMENT, metadata["namespace"], metadata["name"])
            return
        for pod in [one for one in pods if "deletionTimestamp" in one["metadata"]]:
            self._end(pod)
        self._roll_out(deployment, [one for one in pods if not _is_over(one)])

    def _roll_out(self, deployment: Object, alive: list[Object]) -> None:
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        key = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        mine = [one for one in alive if one["metadata"]["labels"][HASH] == key]
        others = [one for one in alive if one not in mine]
        wanted = deployment["spec"].get("replicas", 1)
        fault = self.faults.get(metadata["name"], ("", ""))
        if fault[0] != "quota":
            for _ in range(wanted - len(mine)):
                self._make_pod(deployment, key)
        for pod in mine[wanted:]:
            self._end(pod)
        for pod in mine[:wanted]:
            self._run(pod, fault)
        if sum(map(is_ready, self.pods(metadata["namespace"], {HASH: key}))) >= wanted:
            for pod in others:
                self._end(pod)
        self._say(deployment, key, fault)

    def _say(self, deployment: Object, key: str, fault: tuple[str, str]) -> None:
        metadata, wanted = deployment["metadata"], deployment["spec"].get("replicas", 1)
        pods = [one for one in self.store.list(POD, metadata["namespace"]) if _owner(one) == metadata["uid"]]
        alive = [one for one in pods if not _is_over(one)]
        updated = [one for one in alive if one["metadata"]["labels"][HASH] == key]
        ready = sum(map(is_ready, alive))
        conditions = [condition("Available", ready >= wanted, "MinimumReplicasAvailable")]
        if fault[0] == "quota":
            conditions.append(condition("ReplicaFailure", True, "FailedCreate", fault[1]))
        status = {
            "observedGeneration": metadata["generation"],
            "replicas": len(alive),
            "updatedReplicas": len(updated),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, wanted - sum(map(is_ready, updated))),
            "conditions": conditions,
        }
        self.store.set_status(DEPLOYMENT, metadata["namespace"], metadata["name"], status)

    def _make_pod(self, deployment: Object, key: str) -> None:
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        self.numbers += 1
        name = f"{metadata['name']}-{key}-{self.numbers:05}"
        given = template.get("metadata", {})
        labels = {**given.get("labels", {}), HASH: key}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
        body = {
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": given.get("annotations", {}),
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        self.store.create(POD, metadata["namespace"], body, "kube-controller-manager")
        self.store.set_status(POD, metadata["namespace"], name, {"phase": "Pending"})

    def _run(self, pod: Object, fault: tuple[str, str]) -> None:
        place = (POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
        images = _images(pod)
        package = next((self.packages[image] for image in images if image in self.packages), None)
        if package is None and not fault[0]:
            fault = ("image-pull", f'failed to resolve reference "{images[-1]}": not found')
        if fault[0] and fault[0] != "unready":
            self._let_go(pod)
            self.store.set_status(*place, failing(*fault))
            return
        uid = pod["metadata"]["uid"]
        if uid not in self.running:
            self.running[uid] = self.runtimes.take()
            self.running[uid].serve(self._models(pod, package))
        if is_ready(pod) and not fault[0]:
            return
        path = _container(pod).get("readinessProbe", {}).get("httpGet", {}).get("path", "/v2/health/ready")
        answer = self.running[uid].ask(path)
        is_up = answer.status == 200 and fault[0] != "unready"
        self.store.set_status(*place, running(is_up))
        if not is_up:
            self._complain(pod, f"Readiness probe failed: HTTP probe failed with statuscode: {answer.status}")

    def _models(self, pod: Object, package: Path | None) -> dict[str, Any]:
        names = [volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume]
        declared = self.store.get(CONFIG_MAP, pod["metadata"]["namespace"], names[0])["data"]["desired.json"]
        models = json.loads(declared)["models"]
        for model in models.values():
            for one in model["deployments"].values():
                one["package"] = str(package)
        return dict(models)

    def _complain(self, pod: Object, text: str) -> None:
        metadata = pod["metadata"]
        subject = {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
        name = f"{metadata['name']}.unhealthy"
        body = {
            "metadata": {"name": name},
            "involvedObject": subject,
            "type": "Warning",
            "reason": "Unhealthy",
            "message": text,
            "lastTimestamp": now(),
        }
        try:
            self.store.create(EVENT, metadata["namespace"], body, "kubelet")
        except Refused:
            pass  # said already

    def _end(self, pod: Object) -> None:
        """End a pod once its last request is answered."""
        runtime = self.running.get(pod["metadata"]["uid"])
        if "deletionTimestamp" not in pod["metadata"]:
            self.store.mark_deleted(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
            return  # at a later look: until then who has just been given its address is answered
        if runtime is not None and _in_flight(runtime):
            return
        self._let_go(pod)
        self.store.remove(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _let_go(self, pod: Object) -> None:
        runtime = self.running.pop(pod["metadata"]["uid"], None)
        if runtime is not None:
            self.runtimes.give(runtime)


def is_ready(pod: Object) -> bool:
    """Tell whether a pod may be given requests."""
    conditions = pod.get("status", {}).get("conditions", [])
    said = {one["type"]: one["status"] for one in conditions}
    return said.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _owner(pod: Object) -> str:
    return next((one["uid"] for one in pod["metadata"].get("ownerReferences", [])), "")


def _is_over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") == "Failed" or "deletionTimestamp" in pod["metadata"]


def _container(pod: Object) -> Object:
    return next(one for one in pod["spec"]["containers"] if one["name"] == "runtime")


def _images(pod: Object) -> list[str]:
    """Return all images of a pod, that of the model last."""
    spec = pod["spec"]
    containers = [one["image"] for one in (*spec["containers"], *spec.get("initContainers", []))]
    return containers + [volume["image"]["reference"] for volume in spec.get("volumes", []) if "image" in volume]


def _in_flight(runtime: Runtime) -> int:
    models = runtime.report().get("models", {})
    return sum(one["in_flight"] for model in models.values() for one in model["deployments"].values())


def kind_of(name: str) -> Kind:
    """Return a kind by its name, as HTTPRoute."""
    return BY_KIND[name]
