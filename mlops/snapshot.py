"""A folder's code as it stands now: read once, so that what is hashed is what runs, whatever is edited meanwhile.

Leaves out what .amlignore in the folder's root names, as Azure ML's upload does, and __pycache__. Of .gitignore's
syntax it knows names, `*`, `?`, a leading or inner `/`, a trailing `/` and `!`; the rest is refused, not guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import ConfigError
from modelpackage import digest_bytes, digest_json

IGNORE_FILE = ".amlignore"
ALWAYS_IGNORED = "__pycache__/"
UNSUPPORTED = ("**", "[", "\\")


@dataclass(frozen=True)
class Snapshot:
    """The files of a code folder: path relative to it -> content."""

    files: dict[str, bytes]

    @property
    def digest(self) -> str:
        """Return `sha256:<hex>` over each path and content."""
        return digest_json({path: digest_bytes(content) for path, content in self.files.items()})

    def write(self, folder: Path) -> None:
        """Write the files under a folder."""
        for path, content in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


@dataclass(frozen=True)
class Pattern:
    """One line of .amlignore. `is_negated` takes a path in again that a line before left out."""

    expression: re.Pattern[str]
    is_negated: bool


def take_snapshot(folder: Path) -> Snapshot:
    """Read the files of a code folder. Raises ConfigError on a line of .amlignore that it does not understand."""
    patterns = read_patterns(folder / IGNORE_FILE)
    return Snapshot({path: (folder / path).read_bytes() for path in sorted(_walk(folder, patterns))})


def read_patterns(file: Path) -> list[Pattern]:
    """Return the patterns of an ignore file in order, and what is always ignored after them."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    numbered = ((number, line.rstrip()) for number, line in enumerate(lines, 1))
    kept = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    return [_pattern(line, f"{file}: line {number}") for number, line in kept] + [_pattern(ALWAYS_IGNORED, "")]


def is_ignored(patterns: list[Pattern], path: str) -> bool:
    """Tell whether a path, relative to the ignore file and with a trailing `/` if a folder, is left out: last match."""
    matches = [pattern for pattern in patterns if pattern.expression.match(path)]
    return bool(matches) and not matches[-1].is_negated


def _walk(folder: Path, patterns: list[Pattern]) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        prefix = "" if Path(place) == folder else Path(place).relative_to(folder).as_posix() + "/"
        # A folder that is left out is not entered, so a virtual environment beside the code costs nothing.
        folders[:] = [name for name in folders if not is_ignored(patterns, f"{prefix}{name}/")]
        yield from (prefix + name for name in files if not is_ignored(patterns, prefix + name))


def _pattern(line: str, where: str) -> Pattern:
    if any(mark in line for mark in UNSUPPORTED):
        raise ConfigError(f"{where}: '{line}': none of {' '.join(UNSUPPORTED)} is understood: write it without")
    text = line.removeprefix("!")
    anchored = "/" in text.rstrip("/")
    body = "/".join(map(_part, text.strip("/").split("/")))
    # A pattern matches what it names and all beneath; only with a trailing slash must what it names be a folder.
    ending = "/" if text.endswith("/") else "(/|$)"
    return Pattern(re.compile(f"{'' if anchored else '(.*/)?'}{body}{ending}"), line.startswith("!"))


def _part(text: str) -> str:
    """Return the expression for one name of a pattern; a name is never empty, so `*` alone is at least one letter."""
    return "[^/]+" if text == "*" else re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
