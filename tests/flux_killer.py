"""Kills a release by commits, kill -9, after a given one of its changes: each push and each tag."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from forked import in_child

from mlops.adapters.local.registry import LocalRegistry


class Killer:
    """Counts what changes something, in a forked process and at the server, and kills it after the given one."""

    def __init__(self, kill_after: int, journal: Path) -> None:
        self.kill_after, self.journal = kill_after, journal

    @property
    def changes(self) -> int:
        """Return how many changes the last run made."""
        return int(self.journal.read_text())

    def run(self, work: Callable[[], object]) -> int:
        """Do the work in a process of its own; return its exit code, minus the signal where one ended it."""
        self.journal.write_text("0")

        def watched() -> None:
            self._watch()
            work()

        return in_child(watched)

    def _watch(self) -> None:
        from mlops.adapters.flux.git import Git

        for owner, name in ((Git, "_push"), (LocalRegistry, "set_tag")):
            self._after(owner, name)

    def _after(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        def change(*arguments: object, **options: object) -> object:
            result = original(*arguments, **options)
            seen = int(self.journal.read_text()) + 1
            self.journal.write_text(str(seen))
            if seen == self.kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, change)
