"""Which handler answers what: path templates of a host, each with the function that was registered for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azurefake.message import Answer, Request

if TYPE_CHECKING:
    from azurefake.state import Azure

ARM = "management.azure.com"
GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"
WS = GROUP + "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"

Handler = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """A method, a pattern of paths, the hosts ("*.example.com" is any below it) and what answers."""

    method: str
    pattern: re.Pattern[str]
    host: str
    handler: Handler
    names: int

    def match(self, request: Request) -> dict[str, str] | None:
        """Return the names in the request's path, or None where the route is not for it."""
        if request.method != self.method or not _is_host(request.host, self.host):
            return None
        found = self.pattern.fullmatch(request.path)
        return found.groupdict() if found else None


ROUTES: list[Route] = []


def route(method: str, path: str, host: str = ARM) -> Callable[[Handler], Handler]:
    """Register handler(azure, request, **names): `{name}` is one segment of the path, `{name:path}` one or more.

    Case does not matter. Where several fit, the one with the fewest names answers.
    """

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, _pattern(path), host.lower(), handler, path.count("{") + 9 * path.count(":path}")))
        ROUTES.sort(key=lambda one: one.names)
        return handler

    return register


def dispatch(azure: Azure, request: Request) -> Answer | None:
    """Return the answer of the route that fits, or None where none does."""
    for one in ROUTES:
        names = one.match(request)
        if names is not None:
            return one.handler(azure, request, **names)
    return None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+(?::path)?\})", path)
    return re.compile("".join(_expression(part) for part in parts), re.IGNORECASE)


def _expression(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name, _, kind = part[1:-1].partition(":")
    return f"(?P<{name}>.+)" if kind else f"(?P<{name}>[^/]+)"


def _is_host(host: str, wanted: str) -> bool:
    return host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted
