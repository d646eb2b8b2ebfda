"""Lets an event loop run until something is so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic  # by name: a test may turn the clock

DEADLINE_SECONDS = 30.0


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds. Raises AssertionError at the deadline."""
    deadline = monotonic() + DEADLINE_SECONDS
    while not condition():
        assert monotonic() < deadline, "the deadline passed"
        await asyncio.sleep(0)
