"""The pods of a version: what our runtime or Triton in each says of itself, reached through the API server's proxy.

Live counts only grow while this process watches: a pod that was evicted keeps what it was last seen to have counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlops.adapters.kubernetes.cluster import Cluster
from mlops.adapters.kubernetes.reasons import is_ready, restarts
from mlops.adapters.kubernetes.refusals import Refused, hidden
from mlops.adapters.kubernetes.triton import counted, metrics_port
from mlops.delivery import LABEL_NAME, LABEL_VERSION, PORT
from mlops.errors import TargetError

Object = dict[str, Any]


@dataclass(frozen=True)
class Pods:
    """The pods of one model in a namespace. `seen`: requests and errors by version, pod and its restarts.

    `mute`: by version, why nobody knows what it has counted: it has ready pods, and none has ever said.
    """

    cluster: Cluster
    namespace: str
    model: str
    seen: dict[tuple[int, str, int], tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)
    mute: dict[int, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def path(self) -> str:
        """Return the path of all pods of the namespace."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def of(self, version: int) -> list[Object]:
        """Return the pods of a version."""
        return self.labelled({LABEL_NAME: self.model, LABEL_VERSION: str(version)})

    def labelled(self, labels: Mapping[str, str]) -> list[Object]:
        """Return the pods that bear all of these labels."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
        return list(self.cluster.request("GET", self.path, query=query)["items"])

    def report(self, pod: str, version: int) -> Object | None:
        """Return what a pod's runtime says of the version, None where it does not answer."""
        page = self._page(pod, PORT, "deployments")
        try:
            answer = json.loads(page or b"{}")
        except ValueError:
            return None
        models: Mapping[str, Any] = answer.get("models") or {}
        found = models.get(self.model, {}).get("deployments", {}).get(str(version))
        return dict(found) if found else None

    def reports(self, version: int) -> list[Object]:
        """Return what the ready pods of a version say, and remember what they have counted."""
        ready, found = [pod for pod in self.of(version) if is_ready(pod)], []
        for pod in ready:
            said = self._counted(pod, version)
            if said is not None:
                found.append(said)
                key = (version, pod["metadata"]["uid"], restarts(pod))
                self.seen[key] = (int(said["requests"]), int(said["errors"]))
        self.mute.pop(version, None)
        if ready and not any(number == version for number, _, _ in self.seen):
            self.mute[version] = f"none of {len(ready)} ready pods in {self.namespace} says what it has counted"
        return found

    def _counted(self, pod: Object, version: int) -> Object | None:
        name, port = pod["metadata"]["name"], metrics_port(pod)
        if port is None:
            return self.report(name, version)
        page = self._page(name, port, "metrics")
        return counted(page.decode(errors="replace"), self.model, version) if page else None

    def _page(self, pod: str, port: int, page: str) -> bytes | None:
        # Asked once: a pod that is going away never answers, and others can.
        hasty = replace(self.cluster, patience=0.0)
        try:
            return hasty.ask("GET", f"{self.path}/http:{pod}:{port}/proxy/{page}").body
        except TargetError as error:
            if error.status in (401, 403):
                raise
            return None

    def counts(self, version: int) -> tuple[int, int]:
        """Return the live requests and errors of a version that were seen, of pods that are gone too."""
        seen = [counts for (number, _, _), counts in self.seen.items() if number == version]
        return sum(requests for requests, _ in seen), sum(errors for _, errors in seen)

    def last_line(self, pod: str, container: str) -> str:
        """Return the last line that a pod's container wrote before it crashed; empty where none is to be had."""
        for previous in ("true", "false"):
            try:
                query = {"container": container, "tailLines": "1", "previous": previous}
                said = self.cluster.ask("GET", f"{self.path}/{pod}/log", query=query).body.decode(errors="replace")
            except Refused:
                continue
            if said.strip():
                return hidden(said)
        return ""
