"""Shows how the streams are: OUT/status.json every second, each whole; a line, rewritten on a terminal; events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from serving.files import write_json
from serving.streams.overview import Overview
from serving.streams.result import StreamEvent

STATUS_FILE = "status.json"


@dataclass(frozen=True)
class Board:
    """Where all is shown; `fixed` is what status.json says beside the overview."""

    out: Path
    stream: TextIO
    fixed: Mapping[str, Any]

    def show(self, overview: Overview, state: str = "running") -> None:
        """Write status.json, and the line, which says so where the file can't be written: the streams run on."""
        line = overview.line()
        try:
            write_json(self.out / STATUS_FILE, {**self.fixed, **overview.to_json(), "state": state})
        except OSError as error:
            line += f", {STATUS_FILE} cannot be written ({error.strerror})"
        self._print(line, "\n" if state != "running" else "")

    def say(self, event: StreamEvent) -> None:
        """Write an event, in a line that stays."""
        self._print(f"{event.stream} {event.kind}: {event.detail}", "\n")

    def _print(self, line: str, end: str) -> None:
        if self.stream.isatty():
            print(f"\r\x1b[K{line}", end=end, file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)
