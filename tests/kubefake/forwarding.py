"""Sends one request on to a server on loopback, as the API server's proxies and the gateway do."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0
HOPS = ("host", "connection", "content-length", "transfer-encoding", "authorization", "accept-encoding")


@dataclass(frozen=True)
class Reply:
    """What a server answered; status 503 where it did not."""

    status: int
    body: bytes
    kind: str = "application/json"
    is_of_server: bool = True

    @property
    def json(self) -> Any:
        """Return the body, None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def unreachable(why: str) -> Reply:
    """Return what stands for an answer where no server gave one."""
    return Reply(503, json.dumps({"error": why}).encode(), is_of_server=False)


def forward(url: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    """Send a request to a server and return its answer."""
    kept = {name: value for name, value in (headers or {}).items() if name.lower() not in HOPS}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)
    try:
        connection.request(method, path, body or None, kept)
        response = connection.getresponse()
        return Reply(response.status, response.read(), response.headers.get("Content-Type", ""))
    except (OSError, http.client.HTTPException) as error:
        return unreachable(str(error))
    finally:
        connection.close()
