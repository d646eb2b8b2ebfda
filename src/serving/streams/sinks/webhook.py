"""Posts lines to a URL as application/x-ndjson. A 2xx answer says that they have arrived.

An answer that blames what the body holds (400, 413, 415, 422) refuses lines: each half is posted by itself, until the
bad lines alone are dropped. Any other means that the uplink is down, 4xx too: a token that ran out (401), or a server
that is being replaced (404, 405, 409, 410 of what stands before it), is no reason to lose lines.

Sources: RFC 9110 (statuses, Retry-After), https://github.com/ndjson/ndjson-spec.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from serving.errors import ServingError, one_line
from serving.streams.building import build
from serving.streams.sinks.port import SinkError, secret
from serving.streams.sinks.tls import client_context

BAD_BODY = (400, 413, 415, 422)
CONTENT_TYPE = "application/x-ndjson"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


@dataclass(frozen=True)
class WebhookOptions:
    """The URL; headers as they are; the environment variable with a bearer token; a CA's file of one's own."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    token_env: str | None = None
    ca_file: str | None = None
    timeout_seconds: float = 10.0


class WebhookSink:
    """A URL, and the connection to it, which is kept."""

    def __init__(self, name: str, options: WebhookOptions, token: str | None) -> None:
        self.name = name
        self.refused = 0
        self._options = options
        self._url = urlsplit(options.url)
        self._where = f"{self._url.scheme}://{self._url.hostname}"  # a path or a query may hold a secret
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._headers = {"Content-Type": CONTENT_TYPE, **authorization, **options.headers}
        self._context = client_context(f"sink {name}", options.ca_file) if self._url.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    def send(self, lines: Sequence[bytes]) -> None:
        """Post the lines. Raises SinkError where nobody takes them now; those that are refused are counted."""
        self.refused += self._deliver(lines)

    def _deliver(self, lines: Sequence[bytes]) -> int:
        """Post the lines and return how many were refused."""
        status, retry_after = self._post(b"".join(lines))
        if 200 <= status < 300:
            return 0
        if status not in BAD_BODY:
            raise SinkError(f"{self._where} answered {status}", retry_after)
        if len(lines) == 1:
            return 1
        middle = len(lines) // 2
        return self._deliver(lines[:middle]) + self._deliver(lines[middle:])

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> tuple[int, float | None]:
        try:
            try:
                return self._exchange(body)
            except (ConnectionError, http.client.BadStatusLine):
                if self._connection is None:
                    raise
                self.close()  # the other side ended a connection that was kept: a fresh one tells whether it is there
                return self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SinkError(f"{self._where}: {one_line(error)}") from None

    def _exchange(self, body: bytes) -> tuple[int, float | None]:
        connection = self._connection or _connect(self._url, self._options.timeout_seconds, self._context)
        path = f"{self._url.path or '/'}?{self._url.query}".rstrip("?")
        try:
            connection.request("POST", path, body, self._headers)
            answer = connection.getresponse()
            answer.read()
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return answer.status, seconds_to_wait(answer.getheader("Retry-After"))


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, by number or by date; None where it can't be read."""
    if retry_after is None:
        return None
    if retry_after.strip().isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _connect(url: SplitResult, timeout: float, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    assert url.hostname is not None
    if context is not None:
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)


def open_sink(name: str, options: Mapping[str, Any]) -> WebhookSink:
    """Return the sink of these options. Raises ServingError where they can't be used."""
    built = build(WebhookOptions, options, f"sink {name}")
    if not _is_url(built.url):
        raise ServingError(f"sink {name}: url: should be http:// or https:// and a host, percent-encoded")
    for key, value in built.headers.items():
        if not _is_header(key, value):
            raise ServingError(f"sink {name}: headers: {key} should be one line of ASCII under a header's name")
    token = secret(built.token_env, f"sink {name}: token_env")
    if token is not None and not _is_line(token):
        raise ServingError(f"sink {name}: token_env: the environment variable {built.token_env} should hold ASCII")
    return WebhookSink(name, built, token)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        has_place = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return has_place and _is_line(text) and " " not in text


def _is_header(key: Any, value: Any) -> bool:
    is_text = isinstance(key, str) and isinstance(value, str)
    return is_text and HEADER_NAME.fullmatch(key) is not None and _is_line(value)


def _is_line(text: str) -> bool:
    return text.isascii() and text.isprintable()
