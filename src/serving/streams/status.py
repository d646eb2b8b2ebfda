"""Shows how the streams are: OUT/status.json every second, each whole, and one line, rewritten on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from serving.files import write_json
from serving.streams.overview import Overview

STATUS_FILE = "status.json"


@dataclass(frozen=True)
class Board:
    """Where the overview is shown; `fixed` is what status.json says beside it."""

    out: Path
    stream: TextIO
    fixed: Mapping[str, Any]

    def show(self, overview: Overview, state: str = "running") -> None:
        """Write status.json, and the line. Raises OSError where the folder can't be written."""
        write_json(self.out / STATUS_FILE, {**self.fixed, **overview.to_json(), "state": state})
        if self.stream.isatty():
            end = "\n" if state != "running" else ""
            print(f"\r\x1b[K{overview.line()}", end=end, file=self.stream, flush=True)
        else:
            print(overview.line(), file=self.stream, flush=True)
