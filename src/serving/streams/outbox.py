"""Delivers lines to one sink, in order and at least once, from threads of its own. It knows no kind of sink.

Lines wait in memory and are sent in batches. What two looks in turn find there, waiting or on its way to the sink, goes
to the spool, and is sent from there: a kill takes the lines of the last tenth of a second at most, and none that wait
while the uplink is down. What arrived although its batch failed, or was not acknowledged before a kill, arrives twice.
Batches are smaller after a failure: an uplink too slow for a large one in the time that its sink waits would have the
same lines sent for ever. What a full disk does not take stays in memory, which is bounded, and sheds its oldest lines.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServingError, one_line
from serving.streams.config import SinkConfig, SpoolConfig
from serving.streams.sinks import Sink, SinkError, open_sink
from serving.streams.spool import Position, Spool

BATCH_LINES = 500
BATCH_BYTES = 256 * 1024
GROWTH = 8  # a batch is half as large after a failure, and by an eighth larger after a success
MEMORY_LINES = 100_000  # a disk that hangs must not fill the memory
MOST_RETRY_SECONDS = 3600.0  # for longer no other side may silence a sink
KEEP_SECONDS = 0.05  # how often memory is looked at; a line is there alone for twice that at most
FULL_SECONDS = 1.0  # how long a disk that took nothing is left alone
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Backoff:
    """How long to wait after a failure: twice as long each time, up to a cap, and some of it by chance."""

    first_seconds: float = 0.5
    cap_seconds: float = 60.0

    def seconds(self, failures: int, retry_after: float | None) -> float:
        """Return the seconds to wait after so many failures in a row; not less than the other side asks for."""
        longest = min(self.cap_seconds, self.first_seconds * 2 ** min(failures - 1, 30))
        return max(longest * random.uniform(0.5, 1.0), min(retry_after or 0.0, MOST_RETRY_SECONDS))


class Outbox:
    """A sink, its spool, and what waits for them.

    Of the two locks, `_disk` guards the spool and is held while the disk works; `_changed` guards the rest, is never
    held while anything works, and is the only one that put() takes. Who takes both takes `_disk` first.
    """

    def __init__(self, sink: Sink, spool: Spool, backoff: Backoff | None = None) -> None:
        """Begin to deliver: first what an earlier process left in the spool."""
        self._sink, self._spool, self._backoff = sink, spool, backoff or Backoff()
        self._disk, self._changed, self._is_kept = threading.Lock(), threading.Condition(), threading.Event()
        self._waiting: deque[bytes] = deque(maxlen=MEMORY_LINES)
        self._flight: list[bytes] = []  # what is being sent and is in memory alone
        self._taken = 0  # lines, by put()
        self._most = BATCH_LINES  # lines of the next batch
        self._moving = 0  # lines on their way from memory to the disk
        self._mark: Position | None = None  # where what is being sent ends on disk, if it is there
        self._sent = self._spooled = self._failures = self._lost = self._failures_in_a_row = 0
        self._reason: str | None = None
        self._is_closing = self._is_closed = self._has_given_up = False
        self._sender = threading.Thread(target=self._deliver, name=f"{sink.name}-sender", daemon=True)
        self._keeper = threading.Thread(target=self._keep, name=f"{sink.name}-keeper", daemon=True)
        self._sender.start()
        self._keeper.start()

    @property
    def name(self) -> str:
        """Return the sink's name."""
        return self._sink.name

    @property
    def reason(self) -> str | None:
        """Return why the uplink is down, in one line; None while it is up."""
        return self._reason

    @property
    def in_memory(self) -> int:
        """Return how many lines neither the sink nor the disk has yet: what a kill would take."""
        with self._changed:
            return len(self._flight) + len(self._waiting) + self._moving

    def put(self, line: bytes) -> None:
        r"""Take a line with its one "\n" at the end, until the outbox is closed. It waits for neither sink nor disk."""
        with self._changed:
            self._lost += len(self._waiting) == MEMORY_LINES
            self._taken += 1
            self._waiting.append(line)
            if len(self._waiting) == 1:
                self._changed.notify_all()

    def counters(self) -> dict[str, int]:
        """Return the counts of lines, and of failures to send, since the start; `waiting` is of now.

        sent: taken by the sink; refused: called bad by it, and dropped; spooled: gone through the disk; shed: dropped
        because neither memory nor disk had room; torn: broken off by a kill.
        """
        return {
            "sent": self._sent,
            "refused": self._sink.refused,
            "spooled": self._spooled,
            "shed": self._lost + self._spool.shed,
            "torn": self._spool.torn,
            "failures": self._failures,
            "waiting": self.in_memory + len(self._spool),
        }

    def close(self, deadline_s: float) -> None:
        """Send what waits, for so many seconds at most or until it fails, and leave the rest in the spool."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._sender.join(deadline_s)
        self._is_kept.set()
        self._keeper.join()
        self._save()
        with self._disk:
            self._is_closed = self._has_given_up = True
            self._spool.close()
            with self._changed:
                self._lost += self.in_memory  # of which the disk was too full
                self._flight = []
                self._waiting.clear()
        if not self._sender.is_alive():
            self._sink.close()

    def _deliver(self) -> None:
        while not self._has_given_up:
            try:
                if not (lines := self._take()):
                    return
                refused = self._sink.refused
                self._sink.send(lines)
                self._settle(len(lines) - (self._sink.refused - refused))
            except Exception as error:  # whatever it is, the lines stay, and this thread must
                self._fail(error)

    def _take(self) -> list[bytes]:
        """Wait for lines and return the oldest; none when all is sent and the outbox closes."""
        while not self._has_given_up:
            with self._disk:
                lines, mark = self._spool.read(self._most, BATCH_BYTES)
                with self._changed:
                    self._mark = mark if lines else None
                    self._flight = [] if lines else self._pop()
                    if lines or self._flight:
                        return lines or self._flight
            with self._changed:
                if self._is_closing and not self.in_memory + len(self._spool):
                    break
                self._changed.wait_for(lambda: self._waiting or len(self._spool) or self._is_closing)
        return []

    def _pop(self) -> list[bytes]:
        lines, size = 0, 0
        for line in self._waiting:
            size += len(line)
            if lines == self._most or (lines and size > BATCH_BYTES):
                break
            lines += 1
        return [self._waiting.popleft() for _ in range(lines)]

    def _settle(self, sent: int) -> None:
        with self._disk:
            if self._mark is not None and not self._is_closed:
                self._spool.acknowledge(self._mark)
            with self._changed:
                self._flight, self._mark, self._reason = [], None, None
                self._failures_in_a_row = 0
                self._most = min(BATCH_LINES, self._most + self._most // GROWTH + 1)
                self._sent += sent

    def _fail(self, error: Exception) -> None:
        self._save()
        with self._changed:
            self._put_back(self._flight)
            self._flight, self._mark = [], None
            self._failures += 1
            self._failures_in_a_row += 1
            self._most = max(1, self._most // 2)
            self._reason = str(error) if isinstance(error, SinkError) else one_line(error)
            self._has_given_up |= self._is_closing
            seconds = self._backoff.seconds(self._failures_in_a_row, getattr(error, "retry_after", None))
            self._changed.wait_for(lambda: self._is_closing, seconds)

    def _keep(self) -> None:
        seen, pause = 0, KEEP_SECONDS
        while not self._is_kept.wait(pause):
            with self._changed:
                is_old = self._taken - self.in_memory < seen  # the oldest line was there at the look before
                seen = self._taken
            pause = FULL_SECONDS if is_old and not self._save() else KEEP_SECONDS

    def _save(self) -> bool:
        """Move what is in memory alone to the spool: what is being sent, then what waits. Tell whether it took all."""
        with self._disk:
            with self._changed:
                flight, waiting = self._flight, list(self._waiting)
                self._moving = len(flight) + len(waiting)
                self._flight = []
                self._waiting.clear()
            taken = 0 if self._is_closed else self._move(flight, waiting)
            with self._changed:
                self._flight = flight[taken:]
                self._put_back(waiting[max(0, taken - len(flight)) :])
                self._moving = 0
                self._changed.notify_all()
        return taken == len(flight) + len(waiting)

    def _move(self, flight: Sequence[bytes], waiting: Sequence[bytes]) -> int:
        """Append both to the spool and return how many lines it took: all, or the oldest where the disk is full."""
        if taken := self._spool.append(flight):
            self._mark = self._spool.end
        if taken == len(flight):
            taken += self._spool.append(waiting)
        self._spooled += taken
        return taken

    def _put_back(self, lines: Sequence[bytes]) -> None:
        """Let lines wait before all others; where that is too much for memory, the oldest are shed."""
        self._lost += max(0, len(lines) + len(self._waiting) - MEMORY_LINES)
        self._waiting = deque([*lines, *self._waiting], MEMORY_LINES)


def open_outboxes(sinks: Sequence[SinkConfig], folder: Path, spool: SpoolConfig) -> tuple[Outbox, ...]:
    """Return an outbox for each sink; FOLDER/<sink's name> is its spool.

    Raises ServingError where options can't be used, or two sinks bear one name.
    """
    if spool.limit_mb <= 0:
        raise ServingError(f"spool: limit_mb: {spool.limit_mb:g} is too small: give megabytes")
    opened = [open_sink(config) for config in sinks]
    names = [sink.name for sink in opened]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ServingError(f"sinks: two are called {repeated}: give each a `name` of its own")
    limit = int(spool.limit_mb * MEGABYTE)
    return tuple([Outbox(sink, Spool(folder / sink.name, limit)) for sink in opened])
