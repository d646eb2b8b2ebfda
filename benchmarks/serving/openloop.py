"""Load in an open loop: requests come at random moments at a given rate, whether or not earlier ones are answered.

So it is with cameras and with users, and so a server that is too slow shows it: a closed loop would just ask less.
A request goes over a free connection, else over a new one; a client waits GIVE_UP_SECONDS and closes. Times count from
the moment at which a request was due, so that nothing is lost where this process itself comes late.

Run: python -m benchmarks.serving.openloop PORT REQUEST_FILE RATE SECONDS; it prints its counts as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import uvloop

GIVE_UP_SECONDS = 2.0
REFUSALS = (429, 503)
SEED = 1


@dataclass
class Tally:
    """What became of the requests; times are in seconds since the request was due.

    `in_time` are the accepted that were answered while requests still came: what was queued when they ended, and is
    answered afterwards, is no throughput.
    """

    end: float
    in_time: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late_starts: list[float] = field(default_factory=list)

    def count(self, status: int, seconds: float, now: float) -> None:
        """Count an answer that came `seconds` after its request was due."""
        kind = "accepted" if status == 200 else "refused" if status in REFUSALS else f"status {status}"
        self.ends[kind] += 1
        if kind == "accepted":
            self.in_time += now <= self.end
            self.accepted.append(seconds)
        elif kind == "refused":
            self.refused.append(seconds)


class Client(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, line: Line) -> None:
        self._line, self._answer, self._due = line, bytearray(), 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time of the loop's clock."""
        self._due = due
        self._timer = self._line.loop.call_at(due + GIVE_UP_SECONDS, self._give_up)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; where it is whole, count it and be free again."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < length_of(head) or self._timer is None:
            return
        self._end(int(head[9:12]))
        if b"connection: close" in head.lower():
            self._transport.close()
        else:
            self._line.free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Count a request that this cuts off."""
        if self._timer is not None:
            self._stop_waiting()
            self._line.tally.ends["broken"] += 1
        if self in self._line.free:
            self._line.free.remove(self)

    def _end(self, status: int) -> None:
        self._stop_waiting()
        now = self._line.loop.time()
        self._line.tally.count(status, now - self._due, now)
        self._answer.clear()

    def _give_up(self) -> None:
        self._stop_waiting()
        self._line.tally.ends["given up"] += 1
        self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


@dataclass
class Line:
    """All connections to a server, and those that are free."""

    loop: asyncio.AbstractEventLoop
    port: int
    request: bytes
    tally: Tally
    free: list[Client] = field(default_factory=list)

    async def ask(self, due: float) -> None:
        """Send one request."""
        self.tally.late_starts.append(self.loop.time() - due)
        try:
            async with asyncio.timeout_at(due + GIVE_UP_SECONDS):
                client = self.free.pop() if self.free else await self._connect()
        except OSError:  # a time-out is one
            self.tally.ends["no connection"] += 1
            return
        client.send(self.request, due)

    async def _connect(self) -> Client:
        _, client = await self.loop.create_connection(lambda: Client(self), "127.0.0.1", self.port)
        return client


def length_of(head: bytes | bytearray) -> int:
    """Return the Content-Length that an answer's head names, 0 where it names none."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def run(port: int, request: bytes, rate: float, seconds: float) -> Tally:
    """Send requests at random moments (a Poisson process) and wait until each has ended."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    line, chance, asked = Line(loop, port, request, Tally(due + seconds)), random.Random(SEED), set()
    while due < line.tally.end:
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        asked.add(loop.create_task(line.ask(due)))
        due += chance.expovariate(rate)
    await asyncio.gather(*asked)
    await asyncio.sleep(GIVE_UP_SECONDS + 0.1)
    return line.tally


def summary(tally: Tally, seconds: float) -> dict[str, float | dict[str, int]]:
    """Return a run's counts, the accepted a second, and quantiles in milliseconds."""

    def quantile(values: list[float], share: float) -> float:
        return 1e3 * float(np.quantile(values, share)) if values else 0.0

    return {
        "sent": len(tally.late_starts),
        "ends": dict(tally.ends),
        "goodput": tally.in_time / seconds,
        "p50_ms": quantile(tally.accepted, 0.5),
        "p99_ms": quantile(tally.accepted, 0.99),
        "refused_p99_ms": quantile(tally.refused, 0.99),
        "generator_late_p99_ms": quantile(tally.late_starts, 0.99),
    }


if __name__ == "__main__":
    port, file, rate, length = sys.argv[1:]
    tally = uvloop.run(run(int(port), Path(file).read_bytes(), float(rate), float(length)))
    print(json.dumps(summary(tally, float(length))))
