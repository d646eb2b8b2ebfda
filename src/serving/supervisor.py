"""Accepts the connections of an endpoint and hands each to the worker process that has the fewest.

One port, one process a core, and no luck in who gets which connection, which SO_REUSEPORT would leave to a hash. A
worker that dies is started again. It imports neither ONNX Runtime nor NumPy, and never sees a request.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from serving.channel import Line, Message, count_ended, hand_over, open_line
from serving.http.limits import Limits

REPORT_SECONDS = 5.0
GRACE_SECONDS = 20.0  # for requests in flight when the server is told to end
LINGER_SECONDS = 1.0  # for clients with idle connections to ask once more and be told that they close
QUIET_SECONDS = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
MAX_CONNECTIONS = Limits().connections
# A decoded frame takes a megabyte or more. Left to itself glibc gives such memory back to the kernel after each one and
# gets it anew, page by page: a quarter of the processor time of a small model on JPEG files. See mallopt(3).
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 1024 * 1024),
    "MALLOC_ARENA_MAX": "1",
}
RETRY_SECONDS = 0.005
MANY = 2  # clients, of which each may want a core


@dataclass(eq=False)
class Worker:
    """A worker process: its two channels, and how many connections it has."""

    process: subprocess.Popen[bytes]
    handing: socket.socket
    line: Line
    connections: int = 0
    is_ready: bool = False


@dataclass
class Supervisor:
    """The workers of one endpoint, each started by `command`, and the listener that they serve."""

    command: Sequence[str]
    count: int
    listener: socket.socket
    workers: list[Worker] = field(default_factory=list)
    restarts: int = 0
    is_ending: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _is_accepting: bool = False
    _is_many: bool = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end without losing a request."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        self._tasks = [loop.create_task(self._keep_one()) for _ in range(self.count)]
        ended = loop.create_task(told.wait())
        await asyncio.wait([ended, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        await self._drain()

    async def _keep_one(self) -> None:
        pause = FIRST_PAUSE
        while not self.is_ending:
            started = time.monotonic()
            worker = await self._start()
            await worker.line.listen()
            await asyncio.to_thread(worker.process.wait)
            self._forget(worker)
            if self.is_ending:
                return
            self.restarts += 1
            _log(f"worker {worker.process.pid} ended with {worker.process.returncode}: another one is started")
            pause = FIRST_PAUSE if time.monotonic() - started > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _start(self) -> Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        our_line, their_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        descriptors = (theirs.fileno(), their_line.fileno())
        command = [*self.command, "--channels", f"{descriptors[0]},{descriptors[1]}"]
        process = subprocess.Popen(command, pass_fds=descriptors, env={**ALLOCATOR, **os.environ})
        theirs.close()
        their_line.close()
        ours.setblocking(False)
        worker: Worker | None = None

        async def answer(message: Message) -> Message | None:
            assert worker is not None
            return await self._answer(worker, message)

        worker = Worker(process, ours, await open_line(our_line, answer))
        self.workers.append(worker)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._ended, worker)
        self._accept_more()
        return worker

    def _forget(self, worker: Worker) -> None:
        self.workers.remove(worker)
        asyncio.get_running_loop().remove_reader(worker.handing.fileno())
        worker.handing.close()
        self._tell_whether_many()

    async def _answer(self, worker: Worker, message: Message) -> Message | None:
        if message.get("say") == "ready":
            worker.is_ready = True
            worker.line.tell(self._clients())
        if message.get("say") == "reports":
            return {"reports": await self._reports(), "workers": self.count, "restarts": self.restarts}
        return None

    async def _reports(self) -> list[Message]:
        asked = [worker.line.ask({"say": "report"}, REPORT_SECONDS) for worker in self.workers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [answer["report"] for answer in answers if isinstance(answer, dict)]

    # --- connections ---

    def _accept_more(self) -> None:
        if not self._is_accepting and self.listener.fileno() >= 0:
            self._is_accepting = True
            asyncio.get_running_loop().add_reader(self.listener.fileno(), self._accept)

    def _accept_no_more(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            asyncio.get_running_loop().remove_reader(self.listener.fileno())

    def _accept(self) -> None:
        if self._least_busy() is None:
            self._accept_no_more()  # who comes now waits in the kernel's queue, which is bounded
            return
        with suppress(BlockingIOError, ConnectionAbortedError):
            self._give(self.listener.accept()[0])

    def _give(self, connection: socket.socket) -> None:
        worker = self._least_busy()
        if worker is not None and hand_over(worker.handing, connection):
            worker.connections += 1
            connection.close()
            self._tell_whether_many()
            return
        # A burst has filled the channel, or no worker lives just now: nobody else is taken until this one is given.
        self._accept_no_more()
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._give_again, connection)

    def _give_again(self, connection: socket.socket) -> None:
        self._accept_more()
        self._give(connection)

    def _least_busy(self) -> Worker | None:
        free = [worker for worker in self.workers if worker.connections < MAX_CONNECTIONS]
        ready = [worker for worker in free if worker.is_ready]
        return min(ready or free, key=lambda worker: worker.connections, default=None)

    def _ended(self, worker: Worker) -> None:
        ended = count_ended(worker.handing)
        worker.connections -= ended
        self._tell_whether_many()
        if ended:
            self._accept_more()
        elif worker.process.poll() is not None:
            asyncio.get_running_loop().remove_reader(worker.handing.fileno())

    def _clients(self) -> Message:
        return {"say": "clients", "count": min(MANY, sum(worker.connections for worker in self.workers))}

    def _tell_whether_many(self) -> None:
        # Said when it changes, which is seldom: workers use the other cores for a client that has them to itself.
        clients = self._clients()
        is_many = clients["count"] == MANY
        if is_many != self._is_many:
            self._is_many = is_many
            for worker in self.workers:
                worker.line.tell(clients)

    # --- the end ---

    async def _drain(self) -> None:
        """Answer whoever still comes with `Connection: close`; then let go of the port, and of the workers."""
        self.is_ending = True
        for worker in self.workers:
            worker.line.tell({"say": "drain"})
        deadline, quiet_since = time.monotonic() + LINGER_SECONDS, time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - quiet_since < QUIET_SECONDS:
            await asyncio.sleep(QUIET_SECONDS / 5)
            if any(worker.connections for worker in self.workers):
                quiet_since = time.monotonic()
        self._accept_the_last()
        self._accept_no_more()
        self.listener.close()
        for worker in self.workers:
            worker.line.tell({"say": "finish"})
        await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for worker in self.workers:
            worker.process.kill()

    def _accept_the_last(self) -> None:
        with suppress(OSError):
            while True:
                self._give(self.listener.accept()[0])


def worker_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that starts a worker with an endpoint's own arguments."""
    return [sys.executable, "-m", "serving.worker", *arguments]


def default_workers() -> int:
    """Return one worker for each processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
