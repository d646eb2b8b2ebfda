"""What all connections of a process share: who answers, the limits, the clock, the drain."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.http.limits import Limits, Memory
from serving.http.message import Reply, Request, Response

if TYPE_CHECKING:
    from serving.http.protocol import HttpProtocol


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
        self._open: set[HttpProtocol] = set()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, connection: HttpProtocol) -> None:
        """Take a connection in."""
        self._open.add(connection)

    def closed(self, connection: HttpProtocol) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        self._on_close()

    def sweep(self) -> None:
        """End the connections whose time is over. To be called about once a second."""
        now = time.monotonic()
        for connection in list(self._open):
            connection.check_time(now)

    def drain(self) -> None:
        """From now on answer each request with `Connection: close`."""
        self.is_draining = True

    def close_idle(self) -> None:
        """Close the connections on which nothing is asked or answered."""
        for connection in list(self._open):
            connection.close_if_idle()
