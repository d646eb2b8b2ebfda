"""The API server of the fake cluster over HTTP: paths, watches, proxies. What it keeps is kubefake.store's."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from kubefake.faults import Call
from kubefake.forwarding import Reply
from kubefake.kinds import Kind
from kubefake.store import Object, Refused

if TYPE_CHECKING:
    from kubefake.cluster import Cluster

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
APPLY = "application/apply-patch+yaml"
PROXY = re.compile(r"(?P<above>/api/v1/namespaces/[^/]+/(?:services|pods)/[^/]+)/proxy(?P<rest>.*)")
WATCH_SECONDS = 0.05


class Breaks(Exception):
    """The connection is to break now."""


class ApiServer(ThreadingHTTPServer):
    """Serves one cluster on loopback."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, cluster: Cluster, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.cluster = cluster
        self.open: set[socket.socket] = set()
        self.is_over = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""


class Connection(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ApiServer

    def handle(self) -> None:
        """Serve requests until the client or the server ends."""
        self.server.open.add(self.connection)
        try:
            with suppress(OSError, ValueError):
                super().handle()
        finally:
            self.server.open.discard(self.connection)

    def serve(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        cluster = self.server.cluster
        try:
            call, kind = read_call(cluster, self, body)
            cluster.check(call)
            if call.verb == "watch":
                self._watch(call, kind)
                return
            answer = cluster.answer(call, kind)
            cluster.done(call)
            self._send(answer)
        except Refused as error:
            self._send(Reply(error.status, json.dumps(error.body).encode()))
        except Breaks:
            self._break()
        except (BrokenPipeError, ConnectionError):
            raise
        except Exception:  # noqa: BLE001 - a test must hear of it
            cluster.errors.append(traceback.format_exc())
            self._send(Reply(500, b"{}"))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind or "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _watch(self, call: Call, kind: Kind) -> None:
        store = self.server.cluster.store
        seen = int(call.query.get("resourceVersion") or store.version)
        deadline = time.monotonic() + float(call.query.get("timeoutSeconds", 300))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if seen < store.oldest:
            gone = Refused(410, f"too old resource version: {seen} ({store.oldest})")
            self._event("ERROR", gone.body)
            deadline = 0.0
        while time.monotonic() < deadline and not self.server.is_over:
            with store.changed:
                if store.version <= seen:
                    store.changed.wait(WATCH_SECONDS)
                news = [one for one in store.happened if one[0] > seen]
            for number, resource, type_, body in news:
                seen = number
                if resource == kind.resource and fits(body, call):
                    self._event(type_, body)
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, type_: str, body: Object) -> None:
        line = json.dumps({"type": type_, "object": body}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def _break(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def read_call(cluster: Cluster, connection: BaseHTTPRequestHandler, body: bytes) -> tuple[Call, Kind]:
    """Return what a request asks. Raises Refused 404 where no such resource is served."""
    url = urlsplit(connection.path)
    headers = {key.lower(): value for key, value in connection.headers.items()}
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    proxied = PROXY.fullmatch(url.path)
    path, rest = (proxied["above"], proxied["rest"]) if proxied else (url.path, "")
    parts = path.strip("/").split("/")
    if len(parts) < 3 - (parts[0] == "api") or len(parts) == 2 or (parts[0] == "apis" and len(parts) == 3):
        kind = Kind("", "v1", "", "")
        return Call(connection.command, "get", "", "", "", url.path, query, headers), kind
    group, version, parts = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name = parts[0], parts[1] if len(parts) > 1 else ""
    sub = "/proxy" if proxied else "".join(f"/{one}" for one in parts[2:])
    kind = cluster.kind(group, version, plural)
    verb = VERBS.get(connection.command, "watch" if query.get("watch") else "get" if name else "list")
    path = rest if proxied else url.path
    return Call(connection.command, verb, kind.resource + sub, namespace, name, path, query, headers, body), kind


def fits(body: Object, call: Call) -> bool:
    """Tell whether an object is one of those that a list or a watch asks for."""
    if call.namespace and body["metadata"].get("namespace") != call.namespace:
        return False
    labels = body["metadata"].get("labels", {})
    return all(_selects(term, labels) for term in filter(None, call.query.get("labelSelector", "").split(","))) and all(
        _has(body, term) for term in filter(None, call.query.get("fieldSelector", "").split(","))
    )


def content(call: Call) -> Object:
    """Return the object that a request holds, in JSON or YAML."""
    return dict(yaml.safe_load(call.body)) if call.headers.get("content-type") == APPLY else json.loads(call.body)


def start(server: ApiServer) -> None:
    """Serve in a thread."""
    threading.Thread(target=server.serve_forever, args=(0.02,), name="kube-apiserver", daemon=True).start()


def end(server: ApiServer) -> None:
    """End a server and break its connections."""
    server.is_over = True
    server.shutdown()
    server.server_close()
    for connection in list(server.open):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _selects(term: str, labels: dict[str, str]) -> bool:
    key, is_value, value = term.partition("=")
    return labels.get(key) == value.lstrip("=") if is_value else key in labels


def _has(body: Object, term: str) -> bool:
    path, _, value = term.partition("=")
    found: Any = body
    for part in path.split("."):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return bool(found == value)
