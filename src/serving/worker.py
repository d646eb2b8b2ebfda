"""One worker of an endpoint: an event loop that takes connections over, follows desired.json and scores.

Started by serving.supervisor, which it outlives by no moment: when the line to it ends, so does the worker. Signals
are the supervisor's business.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import uvloop

from serving.app import App
from serving.channel import Line, Message, open_line, say_ended, take_over
from serving.deployments import Endpoint
from serving.door import open_door
from serving.errors import exit_code
from serving.http.connections import Connections
from serving.http.limits import Limits
from serving.http.protocol import HttpProtocol
from serving.options import endpoint_parser
from serving.pages import Pages
from serving.reconcile import Reconciler
from serving.repository import Repository
from serving.scheduler import Scheduler
from serving.scoring import Scoring
from serving.tls import Certificates

SWEEP_SECONDS = 0.5
TICK_SECONDS = 0.02
GATHER_SECONDS = 10.0
GARBAGE = 50_000  # objects more than were freed, before the youngest are looked through
HANDSHAKE_SECONDS = 10.0
PATIENCE_SECONDS = 0.25  # at the end, for a client that has just connected to say what it wants


class Worker:
    """The parts of one worker process, tied together."""

    def __init__(self, options: argparse.Namespace, handing: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._handing = handing
        self._line: Line | None = None
        self._started = time.monotonic()
        self._ending = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        self.endpoint = Endpoint()
        self.scheduler = Scheduler(loop, options.max_wait, lambda: len(self.connections) < 2)
        self.reconciler = Reconciler(options.directory, self.endpoint)
        repository = Repository(options.directory, options.models)
        pages = Pages(self.endpoint, repository, self._ask_workers, lambda: self.connections.is_draining)
        app = App(Scoring(self.endpoint, self.scheduler), pages, open_door(options))
        limits = replace(Limits(), body_bytes=options.max_body, bodies=8 * options.max_body)
        self.connections = Connections(app.handle, app.admit, limits, lambda: say_ended(handing))
        self._certificates = Certificates.of(options)

    async def run(self, stream: socket.socket) -> None:
        """Work until told to finish, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        self._line = await open_line(stream, self._answer)
        loop.add_reader(self._handing.fileno(), self._take_over)
        tasks = [loop.create_task(one) for one in (self.reconciler.follow(), self._sweep(), self._say_ready())]
        listening = loop.create_task(self._line.listen())
        ended = loop.create_task(self._ending.wait())
        await asyncio.wait([listening, ended], return_when=asyncio.FIRST_COMPLETED)
        if not self._ending.is_set():
            os._exit(1)  # nobody is there to be answered through, nor to start another
        await self._finish()
        for task in tasks:
            task.cancel()
        self.scheduler.close()

    def _take_over(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while (connection := take_over(self._handing)) is not None:
                connection.setblocking(False)
                opening = loop.create_task(self._open(connection))
                self._opening.add(opening)  # the loop itself holds tasks weakly
                opening.add_done_callback(self._opening.discard)
        except (EOFError, OSError):
            loop.remove_reader(self._handing.fileno())

    async def _open(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        context = None if self._certificates is None else self._certificates.context()
        try:
            await loop.connect_accepted_socket(
                lambda: HttpProtocol(self.connections),
                connection,
                ssl=context,
                ssl_handshake_timeout=None if context is None else HANDSHAKE_SECONDS,
            )
        except OSError:  # no handshake came: TLS was not spoken, or the client's certificate is not ours
            connection.close()
            say_ended(self._handing)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.connections.sweep()

    async def _say_ready(self) -> None:
        while not self.endpoint.is_started:
            await asyncio.sleep(TICK_SECONDS)
        assert self._line is not None
        # Requests leave no cycles behind, so there is little to collect and much that stays: 3 % of the time, measured.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE)
        self._line.tell({"say": "ready"})

    async def _answer(self, message: Message) -> Message | None:
        if message["say"] == "report":
            return {"report": self._report()}
        if message["say"] == "clients":
            self.scheduler.lone.has_the_machine = message["count"] < 2
        if message["say"] == "drain":
            self.connections.drain()
        if message["say"] == "finish":
            self._ending.set()
        return None

    def _report(self) -> dict[str, Any]:
        backlog = self.scheduler.backlog()
        own = {
            "pid": os.getpid(),
            "busy_seconds": self.scheduler.busy_seconds,
            "uptime_seconds": time.monotonic() - self._started,
            "connections": len(self.connections),
            "has_the_machine": self.scheduler.lone.has_the_machine,
            "waiting": backlog.waiting,
            "oldest_wait_seconds": backlog.oldest_seconds,
            "capacity_fps": self.endpoint.capacity(),
        }
        return {**self.endpoint.report(), "worker": own}

    async def _ask_workers(self) -> Mapping[str, Any]:
        assert self._line is not None
        return await self._line.ask({"say": "reports"}, GATHER_SECONDS)

    async def _finish(self) -> None:
        """Answer what was asked, and close."""
        self.connections.drain()
        self._take_over()
        while len(self.connections) or self._opening:
            self.connections.close_idle(PATIENCE_SECONDS)
            await asyncio.sleep(TICK_SECONDS)


async def _serve(options: argparse.Namespace) -> None:
    handing, stream = (socket.socket(fileno=int(number)) for number in options.channels.split(","))
    handing.setblocking(False)
    await Worker(options, handing).run(stream)


def main() -> int:
    """Run a worker and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    parser = endpoint_parser("serving.worker", (__doc__ or "").splitlines()[0])
    parser.add_argument("--channels", required=True, help="two inherited descriptors: connections, messages")
    options = parser.parse_args()
    with suppress(asyncio.CancelledError):
        return exit_code(lambda: uvloop.run(_serve(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
