"""Rows of the batch scoring script, one JSON object a line, as values. It knows neither who ran it nor where.

What a row holds: src/serving/azureml/batch.py.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from mlops.errors import ConfigError, TargetError
from mlops.loading import build
from mlops.ports import ScoredFile


def read_rows(content: bytes, where: str) -> list[ScoredFile]:
    """Return the rows in the order of their files' names, each file once and named within what all have in common.

    Rows come in any order, and whole paths differ from machine to machine. Raises TargetError on anything but rows: no
    version is to blame for those.
    """
    lines = enumerate(content.decode(errors="replace").split("\n"), 1)
    read = (_row(line, f"{where}: row {number}") for number, line in lines if line.strip())
    rows = {row.file: row for row in read}
    start = _common(rows)
    return [replace(rows[file], file=file[start:]) for file in sorted(rows)]


def rows_text(rows: Iterable[ScoredFile]) -> str:
    """Return rows as lines of JSON."""
    return "".join(json.dumps(asdict(row), sort_keys=True) + "\n" for row in rows)


def _row(line: str, where: str) -> ScoredFile:
    try:
        given: dict[str, Any] = json.loads(line)
        return build(ScoredFile, {**given, "model_version": int(given["model_version"])}, where)
    except (ValueError, TypeError, KeyError, ConfigError):
        raise TargetError(f"{where}: is no row of the scoring script: {line[:80]}") from None


def _common(files: Iterable[str]) -> int:
    """Return how many characters at the start of all files' names say the same folder."""
    folders = [posixpath.dirname(file) for file in files]
    try:
        common = posixpath.commonpath(folders) if folders else ""
    except ValueError:  # some are absolute, some are not
        common = ""
    return len(common) + 1 if common.strip("/") else 0
