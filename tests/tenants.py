"""A tenant of Entra ID for tests: a server on loopback that publishes real keys, and tokens signed by them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "api://visionline"
SIGNING, FOREIGN, NEXT = (rsa.generate_private_key(65537, 2048) for _ in range(3))


def published(key: rsa.RSAPrivateKey, kid: str, **more: str) -> dict[str, Any]:
    """Return a key as a tenant publishes it."""
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


class Tenant:
    """Publishes `answer` on loopback, once `gate` is open, and counts how often it was asked for."""

    def __init__(self) -> None:
        """Serve in threads until `close`."""
        self.answer: Any = {"keys": [published(SIGNING, "now")]}
        self.status, self.fetches = 200, 0
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        tenant = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tenant.respond(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request for the keys."""
        self.fetches += 1
        self.entered.set()
        assert self.gate.wait(30)
        body = json.dumps(self.answer).encode()
        handler.send_response(self.status if handler.path == f"/{TENANT}/discovery/v2.0/keys" else 404)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self) -> None:
        """Let go of whoever waits, and of the port."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running_tenant() -> Iterator[Tenant]:
    """Run a tenant for the length of a test."""
    tenant = Tenant()
    try:
        yield tenant
    finally:
        tenant.close()


def claims_of(tenant: Tenant, **more: Any) -> dict[str, Any]:
    """Return the claims of a good token; None as a value leaves a claim out."""
    now = int(time.time())
    good = {"aud": AUDIENCE, "iss": f"{tenant.url}/{TENANT}/v2.0", "iat": now, "nbf": now, "exp": now + 3600}
    return {name: value for name, value in {**good, **more}.items() if value is not None}


def token_of(tenant: Tenant, key: Any = SIGNING, algorithm: str = "RS256", kid: str | None = "now", **more: Any) -> str:
    """Return a signed token."""
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims_of(tenant, **more), key, algorithm, headers=headers)
