"""Runs a function in a forked process, so that a test may kill it -9 after any of its changes and look what is left."""

from __future__ import annotations

import faulthandler
import os
import traceback
from collections.abc import Callable

STALLED_SECONDS = 100.0  # plays take one or two


def in_child(work: Callable[[], object], started: Callable[[int], object] = lambda process: None) -> int:
    """Run `work` in a forked process and return its exit code; minus the signal where one ended it.

    `started` is told the process's number. A child of a process of many threads may wait for a lock that nobody gives
    back: then it says where, and ends with 1.
    """
    child = os.fork()
    if child == 0:
        try:
            faulthandler.dump_traceback_later(STALLED_SECONDS, exit=True)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    started(child)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
