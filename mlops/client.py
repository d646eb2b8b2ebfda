"""JSON over HTTP with the standard library: a kept connection, a deadline a request.

https goes through the proxy that HTTPS_PROXY names, but for the hosts of NO_PROXY, and is verified against the system's
authorities, or those of SSL_CERT_FILE. Loopback and plain http are reached directly: a proxy could only be in the way.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

HTTPS_PORT = 443
HTTP_PORT = 80


@dataclass(frozen=True)
class Answer:
    """What a server answered: status 0 where it did not."""

    status: int
    body: Any


class JsonClient:
    """A kept-alive connection to one server. Use as a context manager."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Connect on the first request to `url`, http://host:port or https://host:port; `timeout` in seconds."""
        self._connection = _connection(urlsplit(url), timeout)

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


def proxy_of(host: str) -> SplitResult | None:
    """Return the address of the proxy by which https reaches a host, None where it is reached directly."""
    proxies = getproxies_environment()
    if "https" not in proxies or _is_loopback(host) or proxy_bypass(host):
        return None
    address = proxies["https"]
    return urlsplit(address if "://" in address else f"http://{address}")


def _connection(url: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme != "https":
        return http.client.HTTPConnection(host, url.port, timeout=timeout)
    proxy = proxy_of(host)
    if proxy is None:
        return http.client.HTTPSConnection(host, url.port, timeout=timeout)
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or HTTP_PORT, timeout=timeout)
    connection.set_tunnel(host, url.port or HTTPS_PORT, _authorization(proxy))
    return connection


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")
