"""The gateway of the fake cluster: takes HTTPRoutes up, and shares live requests by their weights.

It knows what infra/kubernetes writes: matches of headers, weights, backends that are Services of the same namespace.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kubefake.forwarding import Reply, forward, unreachable
from kubefake.kubelet import Kubelet, kind_of
from kubefake.store import Object, Refused, Store

ROUTE, GATEWAY, SERVICE = (kind_of(name) for name in ("HTTPRoute", "Gateway", "Service"))
URL = "visionline/url"
TICK_SECONDS = 0.05
UNAVAILABLE = unreachable("no healthy upstream")


@dataclass
class Gateway:
    """Shares requests. `is_deaf`: it takes no route up. `sent` counts what it gave each Service."""

    store: Store
    kubelet: Kubelet
    port: int = 0
    is_deaf: bool = False
    sent: dict[str, int] = field(default_factory=dict)
    _seen: int = -1
    _credit: dict[str, float] = field(default_factory=dict)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Answer a live request, as the one route of the cluster says."""
        routes = self.store.list(ROUTE)
        rule = next((rule for one in routes for rule in one["spec"].get("rules", []) if _fits(rule, headers)), None)
        if rule is None:
            return Reply(404, b'{"error": "no route"}')
        with self._lock:
            name = self._chosen(rule.get("backendRefs", []))
        return self.service(routes[0]["metadata"]["namespace"], name, (method, path, headers, body))

    def service(self, namespace: str, name: str, request: tuple[str, str, dict[str, str], bytes]) -> Reply:
        """Send a request to a ready pod of a Service."""
        try:
            found = self.store.get(SERVICE, namespace, name)
        except Refused:
            return UNAVAILABLE
        ready = self.kubelet.ready(namespace, found["spec"]["selector"])
        if not ready:
            return UNAVAILABLE
        method, path, headers, body = request
        return forward(ready[next(self._turns) % len(ready)].url, method, path, body, headers)

    def accept(self) -> None:
        """Say of each route, and each gateway, that it is taken up."""
        if self.is_deaf or self._seen == self.store.version:
            return
        self._seen = self.store.version
        for route in self.store.list(ROUTE):
            generation = route["metadata"]["generation"]
            conditions = [_condition("Accepted", generation), _condition("ResolvedRefs", generation)]
            parents = [{"parentRef": ref, "conditions": conditions} for ref in route["spec"].get("parentRefs", [])]
            self.store.set_status(
                ROUTE, route["metadata"]["namespace"], route["metadata"]["name"], {"parents": parents}
            )
        for one in self.store.list(GATEWAY):
            # Its listener's port is not ours to bind: as behind a load balancer, its owner says how it is reached.
            notes = one["metadata"].setdefault("annotations", {})
            if URL not in notes:
                notes[URL] = f"http://127.0.0.1:{self.port}"
                self.store.replace(GATEWAY, one["metadata"]["namespace"], one, "owner")

    def _chosen(self, backends: list[Object]) -> str:
        """Return whose turn it is: each gains its weight, the richest pays for all (smooth weighted round robin)."""
        weights = {one["name"]: one.get("weight", 1) for one in backends if one.get("weight", 1)}
        self._credit = {name: self._credit.get(name, 0) + weight for name, weight in weights.items()}
        if not weights:
            return ""
        name = max(self._credit, key=lambda one: self._credit[one])
        self._credit[name] -= sum(weights.values())
        self.sent[name] = self.sent.get(name, 0) + 1
        return name


@contextmanager
def running(gateway: Gateway) -> Iterator[None]:
    """Serve on a free port of loopback while the block runs, and take routes up."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = gateway.answer(self.command, self.path, headers, body)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind or "text/plain")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_HEAD = serve

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    stopped = threading.Event()

    def follow() -> None:
        while not stopped.wait(TICK_SECONDS):
            gateway.accept()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    gateway.port = server.server_address[1]
    for work in (follow, lambda: server.serve_forever(0.02)):
        threading.Thread(target=work, daemon=True).start()
    try:
        yield
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


def _fits(rule: Object, headers: dict[str, str]) -> bool:
    matches = rule.get("matches") or [{}]
    return any(
        all(headers.get(one["name"].lower()) == one["value"] for one in match.get("headers", [])) for match in matches
    )


def _condition(type_: str, generation: int) -> Object:
    return {"type": type_, "status": "True", "reason": type_, "observedGeneration": generation}
