"""A kept-alive HTTP connection to an endpoint: bytes out, JSON in. It knows no path and no model."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from serving.errors import ServingError

TIMEOUT_SECONDS = 30.0
# What a connection says that the server closed while it was idle: no byte of an answer came.
CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class Client:
    """One connection, opened on the first request and again whenever it was closed. Not for several threads."""

    def __init__(self, url: str) -> None:
        """`url` is http://host:port. Raises ServingError on anything else."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ServingError(f"{url}: is no address ({error}): write http://host:port") from None
        if parts.scheme != "http" or not host:
            raise ServingError(f"{url}: is no address of an endpoint: write http://host:port")
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        """Return the answer's status and JSON object; status 0 and {"error": reason} where none came.

        A request is sent a second time only where a connection that had been used before was found closed.
        """
        try:
            response = self._send(method, path, body)
            return response.status, _object(response.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return 0, {"error": str(error) or type(error).__name__}

    def _send(self, method: str, path: str, body: bytes) -> http.client.HTTPResponse:
        was_used = self._connection.sock is not None
        try:
            self._connection.request(method, path, body)
            return self._connection.getresponse()
        except CLOSED:
            if not was_used:
                raise
        self._connection.close()
        self._connection.request(method, path, body)
        return self._connection.getresponse()


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
