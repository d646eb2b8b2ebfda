"""Rows of the batch scoring script, one JSON object a line, as values: one for each file of the data that was scored.

It knows neither who ran the script nor where. What a row holds: src/serving/azureml/batch.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from mlops.errors import ConfigError, TargetError
from mlops.loading import build
from mlops.ports import Deployment, ScoredFile

LOST = "has no row: its mini-batch failed"


def read_rows(content: bytes, where: str, names: Collection[str], deployment: Deployment) -> list[ScoredFile]:
    """Return one row for each name, sorted; a file that was lost with its mini-batch gets one that says so.

    Rows come in any order and with paths of the machine that scored. Raises TargetError on anything but rows, and on
    rows of other files: no version is to blame for those.
    """
    known = set(names)
    found = {name: row for name, row in _named(content, where, known)}
    lost = ScoredFile("", None, None, LOST, deployment.model, deployment.version, deployment.digest)
    return [replace(found.get(name, lost), file=name) for name in sorted(known)]


def rows_text(rows: Iterable[ScoredFile]) -> str:
    """Return rows as lines of JSON."""
    return "".join(json.dumps(asdict(row), sort_keys=True) + "\n" for row in rows)


def _named(content: bytes, where: str, known: Collection[str]) -> Iterator[tuple[str, ScoredFile]]:
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        if line.strip():
            row = _row(line, f"{where}: row {number}")
            parts = row.file.split("/")
            ends = ("/".join(parts[start:]) for start in range(len(parts)))
            name = next((end for end in ends if end in known), None)
            if name is None:
                raise TargetError(f"{where}: row {number}: {row.file}: is no file of the data")
            yield name, row


def _row(line: str, where: str) -> ScoredFile:
    try:
        given: dict[str, Any] = json.loads(line)
        return build(ScoredFile, {**given, "model_version": int(given["model_version"])}, where)
    except (ValueError, TypeError, KeyError, ConfigError):
        raise TargetError(f"{where}: is no row of the scoring script: {line[:80]}") from None
