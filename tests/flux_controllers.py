"""Flux for tests: source- and kustomize-controller in one thread, between a git server and the fake cluster.

It follows a branch, renders a folder by `kubectl kustomize`, applies it as its own field manager, prunes what is no
longer there, checks health, and says all of it in the status of a GitRepository and a Kustomization, as Flux does.

Source: fluxcd.io/flux/components/kustomize/kustomizations (Working with Kustomizations, Kustomization Status).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from controllers import TICK_SECONDS, following
from gitserver import GitServer
from kubefake.cluster import TOKEN, Cluster
from kubefake.kubelet import BY_KIND

SYSTEM = "flux-system"
APPLY = "application/apply-patch+yaml"
FIRST = ("Namespace", "ServiceAccount", "ConfigMap")
WORKLOADS = ("Deployment", "StatefulSet")
ASKED = "reconcile.fluxcd.io/requestedAt"
Object = dict[str, Any]
Key = tuple[str, str, str]


@dataclass
class Flux:
    """Applies `folder` of a repository to a cluster, and watches its health for `health_seconds`; 0: not at all.

    While it watches it takes up no other commit, as Flux does not by default. `is_ready_to_go` is False while what the
    Kustomization depends on is not ready.
    """

    cluster: Cluster
    server: GitServer
    folder: str = "clusters/production"
    name: str = "production"
    health_seconds: float = 10.0
    is_ready_to_go: bool = True
    applied: list[str] = field(default_factory=list)
    _inventory: dict[Key, str] = field(default_factory=dict)
    _seen: tuple[str, ...] = ()
    _stopped: threading.Event = field(default_factory=threading.Event)

    def install(self) -> None:
        """Make the objects that tell Flux what to do, as `flux bootstrap` does."""
        source = {"url": self.server.url, "interval": "1m", "ref": {"branch": "main"}}
        work = {
            "path": f"./{self.folder}",
            "prune": True,
            "interval": "10m",
            "sourceRef": {"kind": "GitRepository", "name": "clusters"},
        }
        if SYSTEM not in self.cluster.names("Namespace"):
            self.cluster.store.create(BY_KIND["Namespace"], "", {"metadata": {"name": SYSTEM}}, "flux")
            body = {"metadata": {"name": "clusters"}, "spec": source}
            self.cluster.store.create(BY_KIND["GitRepository"], SYSTEM, body, "flux")
        self.cluster.store.create(
            BY_KIND["Kustomization"], SYSTEM, {"metadata": {"name": self.name}, "spec": work}, "flux"
        )

    @property
    def kustomization(self) -> Object:
        """Return the Kustomization as it is."""
        return self.cluster.store.get(BY_KIND["Kustomization"], SYSTEM, self.name)

    def suspend(self, is_suspended: bool = True) -> None:
        """Suspend it, or resume it."""
        self.cluster.edit("Kustomization", self.name, ("spec", "suspend"), is_suspended)

    @contextmanager
    def running(self) -> Iterator[Flux]:
        """Follow the branch while the block runs."""
        self.install()
        with following("flux", self._tick, self._stopped):
            yield self

    def _tick(self) -> None:
        head, work = self._head(), self.kustomization
        seen = (head, str(work["metadata"]["generation"]), str(self.is_ready_to_go), self._asked())
        if not head or work["spec"].get("suspend") or seen == self._seen:
            return
        if not self.is_ready_to_go:
            self._say("False", "DependencyNotReady", "dependency 'flux-system/infrastructure' is not ready")
            self._seen = seen
            return
        self._seen = (*seen[:3], self._asked())
        self._reconcile(head)

    def _head(self) -> str:
        ref = self.server.folder / "refs" / "heads" / "main"
        return ref.read_text().strip() if ref.exists() else ""

    def _asked(self) -> str:
        source = self.cluster.store.get(BY_KIND["GitRepository"], SYSTEM, "clusters")
        return str(source["metadata"].get("annotations", {}).get(ASKED, ""))

    def _reconcile(self, head: str) -> None:
        self._say("Unknown", "Progressing", f"Building manifests for revision main@sha1:{head}", attempted=head)
        try:
            objects = self._rendered(head)
        except subprocess.CalledProcessError as error:
            self._say("False", "BuildFailed", f"kustomize build failed: {error.stderr.decode().strip()}")
            return
        except FileNotFoundError:
            self._say("False", "ArtifactFailed", f"kustomization path not found: {self.folder}")
            return
        try:
            for one in sorted(
                objects, key=lambda one: FIRST.index(one["kind"]) if one["kind"] in FIRST else len(FIRST)
            ):
                self._send("PATCH", _path(one), one)
        except urllib.error.HTTPError as error:
            self._say("False", "ReconciliationFailed", json.loads(error.read())["message"])
            return
        self._prune({_key(one): _path(one) for one in objects})
        if self._is_healthy(objects, head):
            self.applied.append(head)
            self._say("True", "ReconciliationSucceeded", f"Applied revision: main@sha1:{head}", applied=head)

    def _rendered(self, head: str) -> list[Object]:
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(
                ["git", "archive", head, self.folder], cwd=self.server.folder, capture_output=True, check=False
            )
            if archive.returncode:
                raise FileNotFoundError(self.folder)
            subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
            made = ["kubectl", "kustomize", str(Path(folder) / self.folder)]
            text = subprocess.run(made, capture_output=True, check=True).stdout
        return [one for one in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if one]

    def _prune(self, now: dict[Key, str]) -> None:
        for key in set(self._inventory) - set(now):
            try:
                self._send("DELETE", self._inventory[key])
            except urllib.error.HTTPError as error:
                assert error.code == 404
        self._inventory = now

    def _is_healthy(self, objects: list[Object], head: str) -> bool:
        if not self.health_seconds:
            return True
        self._say("Unknown", "Progressing", f"Running health checks for revision main@sha1:{head}")
        deadline = time.monotonic() + self.health_seconds
        watched = [(one["kind"], one["metadata"]["name"]) for one in objects if one["kind"] in WORKLOADS]
        while not self._stopped.wait(TICK_SECONDS):
            late = [f"{kind}/{name}" for kind, name in watched if not _is_available(self.cluster.find(kind, name))]
            if not late:
                return True
            if time.monotonic() > deadline:
                self._say("False", "HealthCheckFailed", f"health check failed after 1s: timeout waiting for {late}")
                return False
        return False

    def _say(self, ready: str, reason: str, message: str, attempted: str = "", applied: str = "") -> None:
        work = self.kustomization
        status = {key: value for key, value in work.get("status", {}).items() if key != "conditions"}
        status |= {"lastAttemptedRevision": f"main@sha1:{attempted}"} if attempted else {}
        if applied:
            status |= {"lastAppliedRevision": f"main@sha1:{applied}"}
            status["observedGeneration"] = work["metadata"]["generation"]
        said = {"type": "Ready", "status": ready, "reason": reason, "message": message}
        status["conditions"] = [{**said, "observedGeneration": work["metadata"]["generation"]}]
        self.cluster.store.set_status(BY_KIND["Kustomization"], SYSTEM, self.name, status)

    def _send(self, method: str, path: str, body: Object | None = None) -> None:
        address = f"{self.cluster.url}{path}?fieldManager=kustomize-controller&force=true"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": APPLY}
        content = json.dumps(body).encode() if body else None
        urllib.request.urlopen(urllib.request.Request(address, content, headers, method=method)).close()


def _key(one: Object) -> Key:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _path(one: Object) -> str:
    kind = BY_KIND[one["kind"]]
    above = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    place = f"/namespaces/{one['metadata']['namespace']}" if kind.is_namespaced else ""
    return f"{above}{place}/{kind.plural}/{one['metadata']['name']}"


def _is_available(workload: Object) -> bool:
    status = workload.get("status", {})
    seen = status.get("observedGeneration") == workload["metadata"]["generation"]
    return seen and status.get("availableReplicas", 0) >= workload["spec"].get("replicas", 1)
