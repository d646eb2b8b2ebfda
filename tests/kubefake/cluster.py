"""One fake cluster: what is asked of it, what is to go wrong, and a person's hand in it.

`errors` are tracebacks of handlers that broke: a test must not end with any.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kubefake import gateway as gateways
from kubefake import server as servers
from kubefake.faults import Call, Fault
from kubefake.fields import leaves, put
from kubefake.forwarding import Reply
from kubefake.kinds import KINDS, Kind
from kubefake.kubelet import DEPLOYMENT, POD, Kubelet, is_ready, kind_of
from kubefake.runtimes import Runtimes
from kubefake.store import Object, Refused, Store
from kubefake.workers import fault_of

TOKEN = "a-token-of-the-fake-cluster"
ABSENT = ("metrics.k8s.io", "external.metrics.k8s.io", "custom.metrics.k8s.io")  # APIs that hold no objects
LONG_AGO = "2020-01-01T00:00:00.000000Z"


@dataclass
class Cluster:
    """State, kubelet and gateway. `calls` is all that was asked; `absent` are groups whose CRDs are not installed.

    `takes` says whom it lets in, by what the header Authorization holds.
    """

    store: Store
    kubelet: Kubelet
    gateway: gateways.Gateway
    absent: set[str] = field(default_factory=set)
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    after_change: Callable[[Call], None] | None = None
    takes: Callable[[str], bool] = lambda authorization: authorization == f"Bearer {TOKEN}"
    url: str = ""
    _server: servers.ApiServer | None = None

    def package(self, image: str, folder: Path) -> None:
        """Let an image hold a model package."""
        self.kubelet.packages[image] = folder

    def fail(self, deployment: str, fault: str, text: str = "") -> None:
        """Let the pods of a Deployment fail: see kubefake.kubelet.FAULTS; `text` is what the cluster says of it."""
        self.kubelet.faults[deployment] = (fault, text)

    def heal(self, deployment: str) -> None:
        """Let the pods of a Deployment fail no more."""
        self.kubelet.faults.pop(deployment, None)

    def evict(self, deployment: str) -> None:
        """Evict one ready pod of a Deployment."""
        pods = [one for one in self.store.list(POD) if one["metadata"]["name"].startswith(f"{deployment}-")]
        self.kubelet.evict(next(one for one in pods if is_ready(one)))

    def forbid(self, verb: str, resource: str) -> None:
        """Let nobody do that: patch, deployments.apps."""
        self.forbidden.add((verb, resource))

    def edit(self, kind: str, name: str, path: tuple[str, ...], value: Any, manager: str = "kubectl-edit") -> None:
        """Change one field, as a person or another controller does; `path` as kubefake.fields names fields."""
        with self.store.locked():
            found = next(one for one in self.store.list(kind_of(kind)) if one["metadata"]["name"] == name)
            changed = copy.deepcopy(found)
            put(changed, path, value)
            self.store.replace(kind_of(kind), found["metadata"].get("namespace", ""), changed, manager)

    def own(self, kind: str, name: str, manager: str) -> None:
        """Let another manager own all fields of an object, and change none."""
        with self.store.locked():
            for (resource, _, one), owners in self.store.owners.items():
                if (resource, one) == (kind_of(kind).resource, name):
                    found = next(one for one in self.store.list(kind_of(kind)) if one["metadata"]["name"] == name)
                    owners[manager] = {path for path, _ in leaves(found)}

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, as a person does."""
        for one in self.store.list(kind_of(kind)):
            if one["metadata"]["name"] == name:
                self.store.remove(kind_of(kind), one["metadata"].get("namespace", ""), name)

    def names(self, kind: str) -> list[str]:
        """Return the names of all objects of a kind."""
        return [one["metadata"]["name"] for one in self.store.list(kind_of(kind))]

    def find(self, kind: str, name: str) -> Object:
        """Return one object."""
        return next(one for one in self.store.list(kind_of(kind)) if one["metadata"]["name"] == name)

    def expire_leases(self) -> None:
        """Let all leases be as old as those of processes that ended long ago."""
        for name in self.names("Lease"):
            self.edit("Lease", name, ("spec", "renewTime"), LONG_AGO, "test")

    def restart(self) -> None:
        """End the API server, break all connections, and start it again at its address; its watches begin anew."""
        assert self._server is not None
        port = self._server.server_address[1]
        servers.end(self._server)
        self.store.forget()
        self._open(port)

    def _open(self, port: int) -> None:
        self._server = servers.ApiServer(self, port)
        servers.start(self._server)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def kind(self, group: str, version: str, plural: str) -> Kind:
        """Return a kind by its place in paths. Raises Refused 404."""
        if (group, plural) == ("authorization.k8s.io", "selfsubjectaccessreviews"):
            return Kind(group, version, plural, "SelfSubjectAccessReview", False)
        for one in KINDS:
            if (one.group, one.version, one.plural) == (group, version, plural) and group not in self.absent:
                return one
        raise Refused(404, "the server could not find the requested resource")

    def check(self, call: Call) -> None:
        """Take note of a call. Raises what is to go wrong with it before anything is done."""
        self.calls.append(call)
        if not self.takes(call.headers.get("authorization", "")):
            raise Refused(401, "Unauthorized", reason="Unauthorized")
        for fault in self.faults:
            if fault.status is not None and fault.take(call):
                raise Refused(fault.status, (fault.body or {}).get("message", "made to fail"), reason="")
        if (call.verb, call.resource) in self.forbidden:
            plural, _, group = call.resource.partition(".")
            raise Refused(
                403,
                f'{call.resource} is forbidden: User "ci" cannot {call.verb} resource "{plural}" in API group '
                f'"{group}" in the namespace "{call.namespace}"',
                {"name": call.name, "group": group, "kind": plural},
            )

    def done(self, call: Call) -> None:
        """Tell who listens of a change. Raises Breaks where the answer to it is to get lost."""
        if call.is_change and self.after_change:
            self.after_change(call)
        if any(fault.status is None and fault.take(call) for fault in self.faults):
            raise servers.Breaks

    def answer(self, call: Call, kind: Kind) -> Reply:
        """Do what a call asks and return the answer."""
        if kind.plural == "":
            return _json(self._discovery(call.path))
        if call.resource.endswith("/proxy"):
            return self._proxied(call)
        if call.resource == "pods/log":
            return Reply(200, self._written_by(call).encode(), "text/plain")
        if kind.plural == "selfsubjectaccessreviews":
            return _json(self._review(servers.content(call)), 201)
        return self._object(call, kind)

    def _object(self, call: Call, kind: Kind) -> Reply:
        place = (kind, call.namespace, call.name)
        manager = call.query.get("fieldManager", call.headers.get("user-agent", "unknown").split("/")[0])
        if call.verb == "list":
            items = [one for one in self.store.list(kind, call.namespace) if servers.fits(one, call)]
            version = {"resourceVersion": str(self.store.version)}
            return _json({"kind": f"{kind.kind}List", "apiVersion": "v1", "metadata": version, "items": items})
        if call.verb == "get":
            return _json(self.store.get(*place))
        if call.verb == "delete":
            return _json(self._delete(call, kind))
        given = servers.content(call)
        self._check_namespace(call, kind)
        if call.verb == "create":
            return _json(self.store.create(kind, call.namespace, given, manager), 201)
        if call.verb == "update":
            return _json(self.store.replace(kind, call.namespace, given, manager))
        if call.headers.get("content-type") == servers.APPLY:
            is_forced = call.query.get("force") == "true"
            return _json(self.store.apply(kind, call.namespace, given, manager, is_forced))
        raise Refused(415, f"{call.headers.get('content-type')}: not known to the fake")

    def _check_namespace(self, call: Call, kind: Kind) -> None:
        if kind.is_namespaced:
            self.store.get(kind_of("Namespace"), "", call.namespace)

    def _delete(self, call: Call, kind: Kind) -> Object:
        if kind is DEPLOYMENT:
            return self.store.mark_deleted(kind, call.namespace, call.name)
        found = self.store.get(kind, call.namespace, call.name)
        self.store.remove(kind, call.namespace, call.name)
        return found

    def _proxied(self, call: Call) -> Reply:
        _, name, _ = call.name.split(":") if ":" in call.name else ("http", call.name, "")
        if call.resource.startswith("services"):
            reply = self.gateway.service(call.namespace, name, (call.method, call.path, call.headers, call.body))
            if not reply.is_of_server:
                raise Refused(503, f'no endpoints available for service "{call.name}"', reason="ServiceUnavailable")
            return reply
        pod = self.store.get(POD, call.namespace, name)
        runtime = self.kubelet.running.get(pod["metadata"]["uid"])
        if runtime is None:
            raise Refused(503, f'error trying to reach service: pod "{name}" is not running', reason="")
        return runtime.ask(call.path)

    def _written_by(self, call: Call) -> str:
        """Return what a container of a pod wrote before it crashed: the text of its fault; the others wrote nothing."""
        pod = self.store.get(POD, call.namespace, call.name)
        metadata, status = pod["metadata"], pod["status"]
        begun = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        if not any(one["name"] == call.query.get("container") and one["restartCount"] for one in begun):
            return ""
        (owner,) = metadata["ownerReferences"]
        return fault_of(self.kubelet.faults, owner["name"], metadata["labels"])[1]

    def _review(self, given: Object) -> Object:
        asked = given["spec"]["resourceAttributes"]
        resource = asked["resource"] + (f".{asked['group']}" if asked.get("group") else "")
        resource += f"/{asked['subresource']}" if asked.get("subresource") else ""
        return {**given, "status": {"allowed": (asked["verb"], resource) not in self.forbidden}}

    def _discovery(self, path: str) -> Object:
        parts = path.strip("/").split("/")
        if path == "/version":
            return {"major": "1", "minor": "35", "gitVersion": "v1.35.2-fake"}
        if path == "/apis":
            groups = sorted({one.group for one in KINDS if one.group and one.group not in self.absent})
            return {"kind": "APIGroupList", "groups": [{"name": name} for name in groups]}
        group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2] if len(parts) > 2 else "")
        found = [one for one in KINDS if (one.group, one.version) == (group, version) and group not in self.absent]
        if not found:
            raise Refused(404, "the server could not find the requested resource")
        resources = [{"name": one.plural, "kind": one.kind, "namespaced": one.is_namespaced} for one in found]
        return {"kind": "APIResourceList", "groupVersion": found[0].api_version, "resources": resources}

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """Serve while the block runs."""
        with ExitStack() as stack:
            stack.enter_context(gateways.running(self.gateway))
            self._open(0)
            stack.callback(lambda: servers.end(self._server) if self._server else None)
            self.kubelet.start()
            stack.callback(self.kubelet.stop)
            yield self


def new_cluster(runtimes: Runtimes) -> Cluster:
    """Return a cluster with nothing on it."""
    store = Store()
    kubelet = Kubelet(store, runtimes)
    return Cluster(store, kubelet, gateways.Gateway(store, kubelet), absent=set(ABSENT))


def write_kubeconfig(path: Path, clusters: dict[str, Cluster], token: str = TOKEN) -> Path:
    """Write a kubeconfig with a context for each cluster; the first is the current one."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(clusters)),
        "clusters": [{"name": name, "cluster": {"server": one.url}} for name, one in clusters.items()],
        "users": [{"name": "ci", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "ci"}} for name in clusters],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _json(body: Object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())
