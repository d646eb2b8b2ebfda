"""Small pieces of Markdown that pages for people are made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; no text in a cell can end it."""
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in [header, ["---"] * len(header), *rows])


def cell(text: str) -> str:
    """Return a text as it may stand in a table: on one line, its bars escaped."""
    return " ".join(text.replace("|", "\\|").split())


def below(text: str, levels: int) -> str:
    """Return a document as a part of another: its headings `levels` lower, the sixth at most."""
    return _HEADING.sub(lambda found: "#" * min(len(found[1]) + levels, 6) + " ", text)
