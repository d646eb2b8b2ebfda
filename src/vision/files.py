"""Writes and reads the files of a step's output folder: each whole or not at all, JSON refused where it is malformed.

Files are replaced one by one and not by renaming the folder, because on Azure ML an output folder is a mount point.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from vision.errors import VisionError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value, whole or not at all. Raises ValueError on NaN and infinity, which JSON cannot say."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path, remedy: str) -> Any:
    """Return what a JSON file holds. Raises VisionError, naming the file and the remedy, where that can't be done."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VisionError(f"{path}: cannot be read ({error.strerror}): {remedy}") from None
    except ValueError as error:
        raise VisionError(f"{path}: is not JSON ({error}): {remedy}") from None
