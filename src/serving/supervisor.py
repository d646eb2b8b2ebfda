"""Accepts the connections of an endpoint and hands each to the worker process that has the fewest.

One port, one process a core, and no luck in who gets which connection, which SO_REUSEPORT would leave to a hash. A
worker that dies is started again, and what it has last reported of its counts is kept. It imports neither ONNX Runtime
nor NumPy, and never sees a request.
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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from serving.channel import Line, Message, count_ended, hand_over, open_line
from serving.http.limits import Limits
from serving.merge import Counts, Report, carry_counts, counts_of, known_counts, sum_counts

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
END_SECONDS = 0.02  # how often a worker that has let go of its line is looked at until it has ended
MANY = 2  # clients, of which each may want a core


@dataclass(eq=False)
class Worker:
    """A worker process: its two channels, how many connections it has, and what it reported last."""

    process: subprocess.Popen[bytes]
    handing: socket.socket
    line: Line
    connections: int = 0
    is_ready: bool = False
    report: Message | None = None


@dataclass
class Supervisor:
    """The workers of one endpoint, each started by `command`, and the listener that they serve.

    `ended` is what workers that have ended had counted when they last reported.
    """

    command: Sequence[str]
    count: int
    listener: socket.socket
    workers: list[Worker] = field(default_factory=list)
    restarts: int = 0
    is_ending: bool = False
    ended: Counts = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _is_accepting: bool = False
    _is_many: bool = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end without losing a request. A defect ends it, too, and is raised."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        self._tasks = [loop.create_task(self._keep_one()) for _ in range(self.count)]
        ended = loop.create_task(told.wait())
        await asyncio.wait([ended, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        await self._drain()
        for task in self._tasks:
            if task.done():
                task.result()

    async def _keep_one(self) -> None:
        pause = FIRST_PAUSE
        while not self.is_ending:
            started = time.monotonic()
            await self._run_one()
            if self.is_ending:
                return
            pause = FIRST_PAUSE if time.monotonic() - started > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _run_one(self) -> None:
        """Start a worker, and return when it has ended, or where the system lets none start just now."""
        try:
            worker = await self._start()
        except OSError as error:
            _log(f"a worker cannot be started ({error.strerror}): it is tried again")
            return
        await worker.line.listen()
        while worker.process.poll() is None:  # a thread that waits is what a system short of processes refuses, too
            await asyncio.sleep(END_SECONDS)
        self._forget(worker)
        if not self.is_ending:
            self.restarts += 1
            _log(f"worker {worker.process.pid} ended with {worker.process.returncode}: another one is started")

    async def _start(self) -> Worker:
        with ExitStack() as opened:
            ours, theirs = map(opened.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            our_line, their_line = map(opened.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
            descriptors = (theirs.fileno(), their_line.fileno())
            command = [*self.command, "--channels", f"{descriptors[0]},{descriptors[1]}"]
            process = subprocess.Popen(command, pass_fds=descriptors, env={**ALLOCATOR, **os.environ})
            opened.pop_all()
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
        self.ended = sum_counts([self.ended, counts_of(worker.report)]) if worker.report else self.ended
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

    async def _reports(self) -> list[Report]:
        """Ask all workers; who is silent or has ended is not among the reports, but what it had counted is in them."""
        asked = tuple(self.workers)
        have_answered = dict(zip(asked, await asyncio.gather(*map(self._ask, asked)), strict=True))
        reports = [one.report for one in self.workers if one.report and have_answered.get(one)]
        silent = [counts_of(one.report) for one in self.workers if one.report and not have_answered.get(one)]
        if len(reports) == self.count:
            self.ended = known_counts(self.ended, reports)
        return carry_counts(reports, sum_counts([self.ended, *silent]))

    async def _ask(self, worker: Worker) -> bool:
        with suppress(OSError):
            worker.report = (await worker.line.ask({"say": "report"}, REPORT_SECONDS))["report"]
            return True
        return False

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
