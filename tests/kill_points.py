"""After which of its changes a play is killed: after each by `make test-kills`, else after every third.

The plays of a file begin at different changes, so that they miss none of their kind together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

STEP = 1 if os.environ.get("VISIONLINE_KILLS") else 3


def kill_points(changes: Callable[[], int], number: int) -> Iterator[int]:
    """Yield 0 for a play that is not harmed, then the changes to kill the file's play of this number after.

    `changes` is asked, once the first one is over, how many changes it made.
    """
    yield 0
    yield from range(1 + number % STEP, changes() + 1, STEP)
