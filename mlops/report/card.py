"""Shows a model card: the Markdown that mlops/modelcard.md is written in, which is headings, lists, tables, `code`.

Whatever else a user's own card holds is shown as the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops.report.markup import Markup, element, join

CODE = re.compile(r"`([^`]+)`")
HEADING = re.compile(r"(#+) +(.*)")


def render(markdown: str) -> Markup:
    """Return a card as HTML; its headings stand below those of the page."""
    blocks = (block.splitlines() for block in re.split(r"\n\s*\n", markdown.strip()) if block.strip())
    return join(_block(block) for block in blocks)


def _block(lines: Sequence[str]) -> Markup:
    heading = HEADING.fullmatch(lines[0])
    if heading:
        rest = _block(lines[1:]) if lines[1:] else None
        return join([element(f"h{min(len(heading[1]) + 2, 6)}", *_inline(heading[2])), rest])
    if all(line.startswith("|") for line in lines):
        return _table(lines)
    if lines[0].startswith("- "):
        return element("ul", *(element("li", *_inline(item)) for item in _items(lines)))
    return element("p", *_inline(" ".join(lines)))


def _items(lines: Sequence[str]) -> list[str]:
    """Return the items of a list; a line that begins none goes on with the one before."""
    return [" ".join(item.split()) for item in "\n".join(lines).removeprefix("- ").split("\n- ")]


def _table(lines: Sequence[str]) -> Markup:
    rows = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    head = element("thead", element("tr", *(element("th", *_inline(cell), scope="col") for cell in rows[0])))
    body = [element("tr", *(element("td", *_inline(cell)) for cell in row)) for row in rows[2:]]
    return element("div", element("table", head, element("tbody", *body)), class_="wide")


def _inline(text: str) -> list[str]:
    """Return text in parts, each `code` as an element."""
    return [element("code", part) if index % 2 else part for index, part in enumerate(CODE.split(text))]
