"""What all connections of a process share: who answers, the limits, the clock, the drain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from serving.http.limits import Limits, Memory
from serving.http.message import Reply, Request, Response


class Connection(Protocol):
    """One client's connection."""

    def check_time(self, now: float) -> None:
        """End the connection where its client takes too long; `now` is time.monotonic()."""

    def close_if_idle(self, since: float) -> None:
        """Close the connection where nothing was asked or answered on it since a moment of time.monotonic()."""


class Connections:
    """The connections of one event loop. Not for several threads."""

    def __init__(
        self,
        handle: Callable[[Request, Reply], None],
        admit: Callable[[Request], Response | None] = lambda request: None,
        limits: Limits = Limits(),
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        """`admit` sees a request before its body is read and may refuse it; `handle` answers it, now or later."""
        self.handle, self.admit = handle, admit
        self.limits, self.memory = limits, Memory(limits.bodies)
        self.is_draining = False
        self._on_close = on_close
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, connection: Connection) -> None:
        """Take a connection in."""
        self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._on_close()

    def sweep(self) -> None:
        """End the connections whose time is over. To be called about once a second."""
        now = time.monotonic()
        for connection in list(self._open):
            connection.check_time(now)
        if len(self) >= self.limits.connections:
            self.close_idle(self.limits.crowded_seconds)

    def drain(self) -> None:
        """From now on answer each request with `Connection: close`."""
        self.is_draining = True

    def close_idle(self, seconds: float = 0.0) -> None:
        """Close the connections on which nothing was asked or answered for so long."""
        since = time.monotonic() - seconds
        for connection in list(self._open):
            connection.close_if_idle(since)
