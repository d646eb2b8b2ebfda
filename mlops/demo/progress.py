"""One line of progress: a bar over the acts, the act that runs and what it said last. On a terminal it is rewritten."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TextIO

BAR_CELLS = 24


@dataclass
class Progress:
    """Shows `total` acts on a stream; where that is no terminal, a line is written per finished act only."""

    stream: TextIO
    total: int
    done: int = 0
    title: str = ""
    started: float = 0.0

    def begin(self, title: str) -> None:
        """Show that an act began."""
        self.title, self.started = title, time.monotonic()
        self.say("")

    def say(self, line: str) -> None:
        """Show what the act that runs says."""
        if self.stream.isatty():
            text = f"{bar(self.done, self.total)} {self.done:2}/{self.total} {self.title:24} {line}"
            self._rewrite(text[: shutil.get_terminal_size().columns - 1])

    def end(self, outcome: str) -> None:
        """Write the finished act's line: its number, title, seconds and outcome."""
        self.done += 1
        self._rewrite("")
        seconds = time.monotonic() - self.started
        line = f"{bar(self.done, self.total)} {self.done:2}/{self.total} {self.title:24} {seconds:6.1f} s  {outcome}"
        print(line, file=self.stream, flush=True)

    def _rewrite(self, text: str) -> None:
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[K{text}")
            self.stream.flush()


def bar(done: int, total: int) -> str:
    """Return a bar of BAR_CELLS cells, filled by done/total."""
    filled = BAR_CELLS * done // total
    return "█" * filled + "░" * (BAR_CELLS - filled)
