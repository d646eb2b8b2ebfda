"""Flagger for tests: one thread that keeps a primary beside a Deployment, and moves the weight of its Canary.

Source: docs.flagger.app/usage/how-it-works (Canary status); deployment-strategies (Canary release).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from controllers import following
from kubefake.cluster import Cluster
from kubefake.kubelet import BY_KIND
from kubefake.store import Refused

NAME = "app.kubernetes.io/name"
Object = dict[str, Any]


@dataclass
class Flagger:
    """Follows the Canary `model` of a namespace. `verdict`: why it fails each version that it analyses; empty: none."""

    cluster: Cluster
    namespace: str
    model: str
    verdict: str = ""
    weights: tuple[int, ...] = (10, 50)
    seen: list[tuple[str, int]] = field(default_factory=list)
    _applied: Object | None = None
    _steps: list[int] = field(default_factory=list)
    _replicas: int = 1
    _number: int = 0

    @contextmanager
    def running(self) -> Iterator[Flagger]:
        """Follow it while the block runs."""
        with following("flagger", self._tick_alone, threading.Event()):
            yield self

    def _tick_alone(self) -> None:
        with self.cluster.store.locked():
            self._tick()

    def _tick(self) -> None:
        target, canary = self._find("Deployment", self.model), self._find("Canary", self.model)
        if target is None or canary is None:
            return
        template = target["spec"]["template"]
        primary = self._find("Deployment", f"{self.model}-primary")
        if primary is None:
            self._begin(target)
        elif template != self._applied:
            self._applied = copy.deepcopy(template)
            is_same = _version(template) == _version(primary["spec"]["template"])
            self._steps = [] if is_same else list(self.weights)
            self._say("Initializing" if is_same and not canary.get("status") else "Progressing", 0, "New revision")
        else:
            self._go_on(canary.get("status", {}).get("phase", ""), target, primary)

    def _begin(self, target: Object) -> None:
        self._applied = copy.deepcopy(target["spec"]["template"])
        self._put_primary(target)
        for kind, name in (("canary", self.model), ("primary", f"{self.model}-primary")):
            spec = {"selector": {NAME: name}, "ports": [{"port": 8080, "targetPort": "http"}]}
            body = {"metadata": {"name": f"{self.model}-{kind}"}, "spec": spec}
            self.cluster.store.create(BY_KIND["Service"], self.namespace, body, "flagger")
        self._say("Initializing", 0, "New deployment detected, starting initialization.")

    def _go_on(self, phase: str, target: Object, primary: Object) -> None:
        if phase == "Initializing" and _is_ready(primary):
            self._scale(target, 0)
            self._say("Initialized", 0, "Deployment initialization completed.")
        elif phase == "Promoting" and _is_ready(primary):
            self._scale(target, 0)
            self._say("Succeeded", 0, "Canary analysis completed successfully, promotion finished.")
        elif phase == "Progressing" and not self._steps:
            self._put_primary(target)
            self._say("Promoting", 0, "Canary analysis completed, promoting.")
        elif phase == "Progressing" and target["spec"].get("replicas") == 0:
            self._scale(target, self._replicas)
        elif phase == "Progressing" and _is_ready(target):
            self._step(target)

    def _step(self, target: Object) -> None:
        if self.verdict:
            self._scale(target, 0)
            self._say("Failed", 0, f"Canary analysis failed, Deployment scaled to zero: {self.verdict}")
        else:
            self._say("Progressing", self._steps.pop(0), "New revision detected, progressing canary analysis.")

    def _put_primary(self, target: Object) -> None:
        name = f"{self.model}-primary"
        spec = copy.deepcopy(target["spec"])
        spec["replicas"] = self._replicas
        spec["selector"]["matchLabels"][NAME] = spec["template"]["metadata"]["labels"][NAME] = name
        body = {"metadata": {"name": name}, "spec": spec}
        self.cluster.store.apply(BY_KIND["Deployment"], self.namespace, body, "flagger", True)

    def _scale(self, target: Object, replicas: int) -> None:
        changed = {**target, "spec": {**target["spec"], "replicas": replicas}}
        self.cluster.store.replace(BY_KIND["Deployment"], self.namespace, changed, "flagger")

    def _say(self, phase: str, weight: int, message: str) -> None:
        self._number += 1
        self.seen.append((phase, weight))
        ready = {"Succeeded": "True", "Initialized": "True", "Failed": "False"}.get(phase, "Unknown")
        condition = {"type": "Promoted", "status": ready, "reason": phase, "message": message}
        since = f"2026-01-01T00:00:{self._number:02}Z"
        status = {"phase": phase, "canaryWeight": weight, "lastTransitionTime": since, "conditions": [condition]}
        self.cluster.store.set_status(BY_KIND["Canary"], self.namespace, self.model, status)

    def _find(self, kind: str, name: str) -> Object | None:
        try:
            return self.cluster.store.get(BY_KIND[kind], self.namespace, name)
        except Refused:
            return None


def _version(template: Object) -> str:
    return str(template["metadata"]["labels"]["app.kubernetes.io/version"])


def _is_ready(deployment: Object) -> bool:
    status = deployment.get("status", {})
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    wanted = deployment["spec"].get("replicas", 1)
    is_updated = status.get("availableReplicas", 0) >= wanted == status.get("updatedReplicas", 0)
    # Flagger waits for the old pods' end, too.
    return seen and wanted > 0 and is_updated and status.get("replicas", 0) <= wanted
