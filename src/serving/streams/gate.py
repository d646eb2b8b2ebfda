"""Shares the cores between decoding and scoring, so that more streams than can be decoded do not stop the scoring.

Each stream decodes in a thread of its own: with sixty of them awake and two scorers, the system would give the scorers
a thirtieth of the machine. So only as many decode at once as there are cores without a scorer at work, and one at the
least, in the order in which they came.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Lets decoders through. Safe to share between threads."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._scoring = 0
        self._decoding = 0
        self._lock = threading.Lock()
        self._queue: deque[threading.Lock] = deque()

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Wait for a turn to decode one packet, and give it back at the end."""
        self._enter()
        try:
            yield
        finally:
            self._change(decoding=-1)

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Take a core away from the decoders meanwhile; it never waits."""
        self._change(scoring=1)
        try:
            yield
        finally:
            self._change(scoring=-1)

    def _enter(self) -> None:
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            self._queue.append(turn)
            self._let_in()
        turn.acquire()

    def _change(self, scoring: int = 0, decoding: int = 0) -> None:
        with self._lock:
            self._scoring += scoring
            self._decoding += decoding
            self._let_in()

    def _let_in(self) -> None:
        # The place is handed over: whoever just left it would else be back before the one who waits has woken up.
        places = max(1, self._cores - self._scoring)
        while self._queue and self._decoding < places:
            self._decoding += 1
            self._queue.popleft().release()
