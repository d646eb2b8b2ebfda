"""The one error that ends a step of this wing, and how a step's `main` says it. Whatever else is raised is a defect."""

from __future__ import annotations

import sys
from collections.abc import Callable


class VisionError(Exception):
    """Something a person can act on. The message is one line: what, where, what to do."""


def exit_code(step: Callable[[], None]) -> int:
    """Run a step and return its exit code: 0, or 1 after one line on stderr where a VisionError ended it."""
    try:
        step()
    except VisionError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0
