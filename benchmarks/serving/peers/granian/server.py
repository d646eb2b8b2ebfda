"""Granian, a server in Rust, with the least RSGI application (its own interface, leaner than ASGI).

At its best: a process a core with one runtime thread each, uvloop, the model run inline.
"""

from __future__ import annotations

from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes

import scorer

HEADERS = [("content-type", "application/json")]


class App:
    """The application; each process builds its own."""

    def __rsgi_init__(self, loop: Any) -> None:
        self.model = scorer.load_scorer()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        protocol.response_bytes(200, HEADERS, self.model.answer(await protocol()))


app = App()

if __name__ == "__main__":
    Granian(
        "server:app",
        address="127.0.0.1",
        port=scorer.port(),
        interface=Interfaces.RSGI,
        workers=scorer.workers(),
        runtime_threads=1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        log_enabled=False,
    ).serve()
