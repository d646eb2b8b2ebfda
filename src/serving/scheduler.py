"""What waits for a model, and who is next: one batch at a time, made of what already waits; nobody waits for others.

Work that can't be in time is refused when it comes, so the queue is bounded by time and not by length. A fast model
runs on the event loop itself, a slow one, or a long decode, in a thread. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from serving.curve import QUICK_SECONDS
from serving.errors import RequestError
from serving.images import MAX_PIXELS
from serving.lone import LoneRequests
from serving.model import Model
from serving.work import Work, execute

SPIN_SECONDS = 100e-6
SHADOWS = 32
SMOOTHING = 0.1
LONGEST_TIMER_SECONDS = 3600.0  # clients say what they like, and event loops take no number of seconds


@dataclass(frozen=True)
class Backlog:
    """What waits at a moment: frames, the oldest's age and the expected seconds of work."""

    waiting: int
    oldest_seconds: float
    expected_seconds: float


class Scheduler:
    """The queue of one process. Its methods run on the event loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_wait: float, is_alone: Callable[[], bool] = lambda: False
    ) -> None:
        """`max_wait` is how many seconds of work may wait before a request; one that would wait longer is refused.

        `is_alone` tells whether no other client could be asking just now: then there is nothing to look for.
        """
        self._loop, self._max_wait, self._is_alone = loop, max_wait, is_alone
        self._queue: deque[Work] = deque()
        self._shadows: deque[Work] = deque(maxlen=SHADOWS)
        self._expected = 0.0
        self._pool = ThreadPoolExecutor(1, "inference")
        self._is_running = False
        self._is_scheduled = False
        self._has_deadlines = False
        self._expiry: asyncio.TimerHandle | None = None
        self._spin_until = 0.0
        self.busy_seconds = 0.0
        self.lone = LoneRequests()

    def submit(self, *works: Work) -> None:
        """Let the works of one request, of one deadline, wait their turn.

        Raises RequestError 503, with Retry-After, where others' work would keep them waiting too long; then none of
        them is taken.
        """
        first, own = works[0], 0.0
        for work in works:
            work.expected = work.deployment.pace() * work.count
            own += work.expected
        allowed = min(self._max_wait, first.deadline - time.monotonic() - own)
        if self._expected > allowed:
            reason = "overload" if allowed == self._max_wait else "deadline"
            first.deployment.counters.shed[reason] += 1
            raise self._refusal(f"{self._expected:.3f} s of work wait, {max(0.0, allowed):.3f} s are left")
        self._queue.extend(works)
        self._expected += own
        if first.deadline < math.inf:
            self._has_deadlines = True
            self._mind_deadlines()
        if not self._is_running and self._is_alone():
            self._run_next()
        else:
            self._schedule()

    def submit_shadow(self, work: Work) -> None:
        """Score when nothing else waits, or never: the oldest goes when there are too many."""
        self._shadows.append(work)
        self._schedule()

    def backlog(self) -> Backlog:
        """Return what waits now."""
        oldest = time.monotonic() - self._queue[0].arrived if self._queue else 0.0
        return Backlog(sum(work.count for work in self._queue), oldest, self._expected)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits or runs."""
        return not self._queue and not self._is_running

    def close(self) -> None:
        """End the thread after what it runs."""
        self._pool.shutdown()

    def _refusal(self, reason: str) -> RequestError:
        return RequestError(503, f"too much to do: {reason}", max(1, math.ceil(self._expected)))

    def _schedule(self) -> None:
        # What else the event loop has to read in this round comes first: so those that wait already are seen.
        if not self._is_scheduled and not self._is_running:
            self._is_scheduled = True
            self._loop.call_soon(self._run_scheduled)

    def _run_scheduled(self) -> None:
        self._is_scheduled = False
        if not self._is_running:
            self._run_next()

    def _run_next(self) -> None:
        batch = self._take()
        if not batch:
            self._spin()
            return
        model = self.lone.model_for(batch, bool(self._queue))
        self._is_running = True
        start = time.monotonic()
        if model.curve.single() < QUICK_SECONDS and all(work.is_quick for work in batch):
            execute(model, batch)
            self._finish(batch, model, start)
        else:
            self._mind_deadlines()
            future = self._pool.submit(execute, model, batch)
            future.add_done_callback(
                lambda done: self._loop.call_soon_threadsafe(self._finish, batch, model, start, done)
            )

    def _take(self) -> list[Work]:
        self._expire()
        if not self._queue:
            return [self._shadows.popleft()] if self._shadows else []
        first = self._queue.popleft()
        batch, frames, pixels = [first], first.count, first.pixels
        others: list[Work] = []
        assert first.deployment.model is not None
        cap = first.deployment.model.curve.cap
        while self._queue and frames < cap:
            work = self._queue.popleft()
            # What a batch holds at once is bounded as one image is.
            is_small = frames + work.count <= cap and pixels + work.pixels <= MAX_PIXELS
            fits = work.deployment is first.deployment and is_small
            (batch if fits else others).append(work)
            frames += work.count if fits else 0
            pixels += work.pixels if fits else 0
        self._queue.extendleft(reversed(others))
        return batch

    def _mind_deadlines(self) -> None:
        # Nobody looks at the queue while a thread scores: who can't be in time any more is told once that is so.
        if not (self._is_running and self._has_deadlines):
            return
        if self._expiry is not None:
            self._expiry.cancel()
        soonest = min((work.deadline for work in self._queue), default=math.inf)
        if soonest < math.inf:
            seconds = min(max(0.0, soonest - time.monotonic()), LONGEST_TIMER_SECONDS)
            self._expiry = self._loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        if not self._has_deadlines:
            return
        now = time.monotonic()
        late = [work for work in self._queue if work.deadline < now]
        if late:
            self._queue = deque(work for work in self._queue if work.deadline >= now)
        self._has_deadlines = any(work.deadline < math.inf for work in self._queue)
        for work in late:
            self._expected -= work.expected
            work.deployment.counters.shed["expired"] += 1
            work.error = self._refusal("the time that the client gave is over")
            work.done(work)
        self._mind_deadlines()

    def _finish(self, batch: list[Work], model: Model, start: float, done: Future[None] | None = None) -> None:
        now = time.monotonic()
        self.busy_seconds += now - start
        if model is batch[0].deployment.model:
            self._learn(batch, now - start)
        else:  # faster than the model is when there is much to do
            self.lone.learn(batch[0])
        self._is_running = False
        self._expected = self._expected - sum(work.expected for work in batch) if self._queue else 0.0
        batch[0].deployment.counters.executions += 1
        defect = done.exception() if done is not None else None
        for work in batch:
            work.error = work.error or (RuntimeError(str(defect)) if defect else None)
            work.done(work)
        self._spin_until = time.monotonic() + min(SPIN_SECONDS, now - start)
        self._schedule()

    def _learn(self, batch: list[Work], seconds: float) -> None:
        deployment, pace = batch[0].deployment, seconds / sum(work.count for work in batch)
        known = deployment.pace()
        # A process that was stopped for a while has not become slow: one batch may tell of twice the time, not of more.
        deployment.seen_pace = known + (min(pace, 2 * known) - known) * SMOOTHING

    def _spin(self) -> None:
        # To sleep and be woken costs a lone client more than a fast model does: so for a moment, no longer than the
        # last work took, the event loop looks for more instead of sleeping.
        if time.monotonic() < self._spin_until:
            self._schedule()
