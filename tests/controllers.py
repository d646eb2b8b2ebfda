"""What the controllers of a cluster have in common: each looks, in a thread of its own, at what it follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.02


@contextmanager
def following(name: str, look: Callable[[], None], is_over: threading.Event) -> Iterator[None]:
    """Look again and again while the block runs; what a look raises ends the looking, and fails the test at the end.

    `is_over` is set when the block ends: a look that takes long listens to it.
    """
    problems: list[BaseException] = []
    thread = threading.Thread(target=_follow, args=(look, is_over, problems), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    assert problems == []


def _follow(look: Callable[[], None], is_over: threading.Event, problems: list[BaseException]) -> None:
    while not is_over.wait(TICK_SECONDS):
        try:
            look()
        except Exception as error:  # noqa: BLE001 - a test must hear of it
            problems.append(error)
            return
