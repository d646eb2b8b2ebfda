"""A line that says how far a stream is: rewritten on a terminal, else a new line every tenth of the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

BAR_CELLS = 24


@dataclass
class Progress:
    """Shows `done` of `total` frames; total is None where nobody knows."""

    stream: TextIO
    total: int | None
    _tenths: int = 0

    def show(self, done: int, note: str) -> None:
        """Show that `done` frames are scored; `note` is what the last one was."""
        if self.stream.isatty():
            end = "\n" if done == self.total else ""
            print(f"\r\x1b[K{self._line(done)}  {note}", end=end, file=self.stream, flush=True)
        elif self.total and done * 10 // self.total > self._tenths:
            self._tenths = done * 10 // self.total
            print(self._line(done), file=self.stream, flush=True)

    def _line(self, done: int) -> str:
        if not self.total:
            return f"{done} frames"
        filled = BAR_CELLS * min(done, self.total) // self.total
        return f"{'█' * filled}{'░' * (BAR_CELLS - filled)} {done}/{self.total} frames"
