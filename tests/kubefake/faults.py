"""What goes wrong with the API itself: requests that are refused, or whose connection breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubefake.store import Object


@dataclass(frozen=True)
class Call:
    """One request: its verb as rights name it (get, list, watch, create, update, patch, delete) and what it is on."""

    method: str
    verb: str
    resource: str  # deployments.apps, services/proxy
    namespace: str
    name: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def is_change(self) -> bool:
        """Tell whether it changes what is kept, by intent; a renewal of a lease changes nothing."""
        return self.verb in ("create", "update", "patch", "delete") and "/" not in self.resource


@dataclass
class Fault:
    """Goes wrong for calls that fit, so many times. `status` None: the connection breaks, after the work was done."""

    fits: Callable[[Call], bool]
    times: int
    status: int | None = None
    body: Object | None = None

    def take(self, call: Call) -> bool:
        """Tell whether it goes wrong now."""
        if self.times <= 0 or not self.fits(call):
            return False
        self.times -= 1
        return True
