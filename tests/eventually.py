"""Lets an event loop run until something is so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DEADLINE_SECONDS = 30.0


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds. Raises AssertionError at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the deadline passed"
        await asyncio.sleep(0)
