"""Reads files of one JSON object a line, as a process that may have been killed left them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file. A last line that was cut is left out.

    Raises ConfigError, with file and line, where another line is no JSON object.
    """
    objects = [_parse(line) for line in path.read_bytes().splitlines()]
    if objects and objects[-1] is None:
        objects.pop()
    whole = [parsed for parsed in objects if parsed is not None]
    if len(whole) < len(objects):
        bad = f"{path}:{objects.index(None) + 1}"
        raise ConfigError(f"{bad}: is no JSON object: remove the line, or run the step that writes the file again")
    return whole


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
