"""What goes over the wire of the fake Azure: a request as its handlers see it, and the answer they give."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """One request: `path` is percent-decoded and without its query, the keys of `headers` are in lower case."""

    method: str
    host: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """Return the body as JSON; None where it is empty."""
        return json.loads(self.body) if self.body else None

    @property
    def form(self) -> dict[str, str]:
        """Return the body as the fields of a form."""
        return dict(parse_qsl(self.body.decode()))

    @property
    def address(self) -> str:
        """Return host, path and query in one line, in lower case: what faults and `Azure.sent` look for parts in."""
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        return f"{self.host}{self.path}?{query}".lower()


@dataclass(frozen=True)
class Answer:
    """One answer: a dict or list goes as JSON, text as text, bytes as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, str]:
        """Return the body's bytes and their content type."""
        if self.body is None:
            return b"", "application/json"
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    """Return an error as Azure Resource Manager words it."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Answer(status, {"error": {"code": code, "message": message}}, named)
