"""JSON over HTTP with the standard library: no proxy from the environment, a kept connection, a deadline a request."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What a server answered: status 0 where it did not."""

    status: int
    body: Any


class JsonClient:
    """A kept-alive connection to one server. Use as a context manager."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Connect on the first request to `url`, http://host:port or https://host:port; `timeout` in seconds."""
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)

    def __enter__(self) -> JsonClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and return the answer. A connection that fails is answered with status 0 and the reason."""
        content = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, content, {"Content-Type": "application/json", **(headers or {})})
            response = self._connection.getresponse()
            return Answer(response.status, _parse(response.read()))
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Answer(0, str(error) or type(error).__name__)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")
