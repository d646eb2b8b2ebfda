"""Which page a method and a path mean. It knows the paths and none of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from serving.errors import RequestError

MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"
REPOSITORY = "/v2/repository"


@dataclass(frozen=True)
class Route:
    """A page's method, path template and name. HEAD is answered wherever GET is."""

    method: str
    path: str
    page: str


ROUTES = (
    Route("GET", "/v2", "server"),
    Route("GET", "/v2/health/live", "live"),
    Route("GET", "/v2/health/ready", "ready"),
    Route("GET", MODEL, "model"),
    Route("GET", VERSION, "model"),
    Route("GET", f"{MODEL}/ready", "model_ready"),
    Route("GET", f"{VERSION}/ready", "model_ready"),
    Route("POST", f"{MODEL}/infer", "infer"),
    Route("POST", f"{VERSION}/infer", "infer"),
    Route("POST", f"{REPOSITORY}/index", "index"),
    Route("POST", f"{REPOSITORY}/models/{{model}}/load", "load"),
    Route("POST", f"{REPOSITORY}/models/{{model}}/unload", "unload"),
    Route("POST", "/score", "score"),
    Route("GET", "/deployments", "deployments"),
    Route("GET", "/metrics", "metrics"),
    Route("GET", "/docs", "docs"),
    Route("GET", "/openapi.json", "openapi"),
)


class NotAllowed(RequestError):
    """A method that a page does not answer; RFC 9110 (15.5.6) wants the one that it does answer to be said."""

    def __init__(self, reason: str, allowed: str) -> None:
        super().__init__(405, reason)
        self.allowed = allowed

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that the refusal bears."""
        return (("allow", self.allowed),)


@dataclass(frozen=True)
class Match:
    """The page of a request, and the values of its path's names."""

    page: str
    values: Mapping[str, str]


@lru_cache(maxsize=1024)
def match(method: str, path: str) -> Match:
    """Return the page that a request means. Raises RequestError: 404 on an unknown path, 405 on another method."""
    parts = path.rstrip("/").split("/")
    found = [(route, values) for route in ROUTES if (values := _values(route.path.split("/"), parts)) is not None]
    if not found:
        raise RequestError(404, f"{method} {path[:200]}: there is no such page: see /docs")
    wanted = "GET" if method == "HEAD" else method
    for route, values in found:
        if route.method == wanted:
            return Match(route.page, values)
    raise NotAllowed(f"{method} {path[:200]}: only {found[0][0].method} is answered here", found[0][0].method)


def _values(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    values = {}
    for name, part in zip(template, parts, strict=True):
        if name.startswith("{") and part:
            values[name[1:-1]] = part
        elif name != part:
            return None
    return values
