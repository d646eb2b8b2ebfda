"""A server on loopback that sends requests on to a stage's Services, through the API server's proxy.

So probes reach a version past the traffic split wherever the API server can be reached: no ingress, no open port. It
is what `kubectl port-forward` is: whoever is on this machine may use it while the step runs, for what a model is asked
and for nothing else of the API.

Source: kubernetes.io, "Access Services Running on Clusters".
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mlops.adapters.kubernetes.cluster import Answer, Cluster
from mlops.delivery import PORT, VERSION_HEADER
from mlops.errors import TargetError

# No pod takes requests at this moment, as where one was evicted: so long another is waited for.
ABSENT_SECONDS = 6.0
PAUSE_SECONDS = 0.1
# All of a path, and no `..` in it: the client of HTTP resolves that, and would lead out of the proxy with our identity.
NAME = r"[A-Za-z0-9][\w.-]*"
ALLOWED = re.compile(
    rf"(/v2/health/(live|ready)|/v2/models/{NAME}(/versions/[0-9]+)?(/(infer|ready))?|/score)(\?[\w.=&%+-]*)?", re.ASCII
)
Service = Callable[[str | None], str]
Fault = Callable[[int], str | None]


class Forwarder(ThreadingHTTPServer):
    """Serves on a free port until the process ends.

    `service_of`: the Service that has what the header x-model-version names, or the stage's version where it names
    none; asked anew for each attempt. `fault_of`: why a version has no pod, where it is to blame.
    """

    daemon_threads = True

    def __init__(self, cluster: Cluster, namespace: str, service_of: Service, fault_of: Fault) -> None:
        """Serve from now on."""
        super().__init__(("127.0.0.1", 0), _Connection)
        self._cluster, self._namespace = replace(cluster, patience=0.0), namespace
        self._service_of, self._fault_of = service_of, fault_of
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, name="forwarder", daemon=True).start()

    def answer(self, method: str, path: str, version: str | None, content: bytes) -> Answer | None:
        """Return the answer of a version, or of the stage where that is None; None where none is to be had."""
        deadline = time.monotonic() + ABSENT_SECONDS
        while time.monotonic() < deadline:
            answer = self._sent(method, version, path, content)
            if answer is not None and not _is_of_api(answer):
                return answer
            if answer is not None and answer.status in (401, 403, 404):
                return None  # no version is to blame
            time.sleep(PAUSE_SECONDS)
        fault = self._fault_of(int(version)) if version else None
        return Answer(503, json.dumps({"error": fault}).encode(), "application/json", 0.0) if fault else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""

    def _sent(self, method: str, version: str | None, path: str, content: bytes) -> Answer | None:
        from urllib3.exceptions import HTTPError

        try:
            place = f"services/http:{self._service_of(version)}:{PORT}"
            address = f"/api/v1/namespaces/{self._namespace}/{place}/proxy{path}"
            return self._cluster.send(method, address, content or None, {"Content-Type": "application/json"})
        except (HTTPError, OSError, TargetError):
            return None


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Forwarder

    def serve(self) -> None:
        """Answer one request; break the connection where the version can't be asked."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        version = self.headers.get(VERSION_HEADER)
        if not ALLOWED.fullmatch(self.path) or not (version or "1").isdecimal():
            self.send_error(404)
            return
        answer = self.server.answer(self.command, self.path, version, content)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = serve

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the output is the step's."""


def _is_of_api(answer: Answer) -> bool:
    """Tell whether the API server answered by itself, for it could not reach a pod."""
    if answer.status < 400:
        return False
    try:
        said = json.loads(answer.body)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("kind") == "Status" and "code" in said
