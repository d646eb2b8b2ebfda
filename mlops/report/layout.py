"""The parts that every section of the page is made of: cards, charts for each width, legends, tables, badges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mlops.report.markup import Child, Markup, element, join

# Pixels inside a card: on a phone, on a tablet, and on a desk, where a card takes half of the page or all of it.
SMALL, MEDIUM = 330.0, 700.0
HALF, FULL = 478.0, 1024.0
SIGNS = {"promote": "✓", "reject": "✕", "error": "!"}
TONES = {"promote": "good", "reject": "bad", "error": "turned"}


def section(title: str, lead: str, *children: Child, half: bool = False) -> Markup:
    """Return a card with a heading, a sentence on what it shows, and its content."""
    head = [element("h2", title), element("p", lead, class_="lead") if lead else None]
    return element("section", *head, *children, class_="card half" if half else "card")


def chart(draw: Callable[[float], Markup], half: bool = False) -> Markup:
    """Return a chart as drawn for each width of screen; the style sheet shows the one that fits."""
    widths = {"small": SMALL, "medium": MEDIUM, "large": HALF if half else FULL}
    return join(element("div", draw(width), class_=f"chart at-{name}") for name, width in widths.items())


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return what each colour stands for, from (class, words)."""
    items = (element("li", element("i", class_=f"swatch back-{kind}"), text) for kind, text in entries)
    return element("ul", *items, class_="legend")


def badge(outcome: str, words: str | None = None) -> Markup:
    """Return a verdict as sign and word, so that colour says nothing alone."""
    return pill(f"{SIGNS.get(outcome, '·')} {words or outcome}", TONES.get(outcome, "plain"))


def pill(words: str, tone: str) -> Markup:
    """Return a few words on a coloured ground."""
    return element("span", words, class_=f"pill tone-{tone}")


def table(head: Sequence[str], rows: Iterable[Sequence[Child]], kind: str = "") -> Markup:
    """Return a table; each row's first cell heads the row. On a phone it scrolls by itself where it must."""
    top = element("thead", element("tr", *(element("th", cell, scope="col") for cell in head)))
    body = element("tbody", *(_row(row) for row in rows))
    return element("div", element("table", top, body, class_=kind or None), class_="wide")


def pairs(entries: Iterable[tuple[str, Child]]) -> Markup:
    """Return names with their values, one a line."""
    parts = (part for name, value in entries for part in (element("dt", name), element("dd", value)))
    return element("dl", *parts, class_="pairs")


def facts(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return a few large figures, each with what it is below."""
    boxes = (element("li", element("b", value), element("span", name)) for value, name in entries)
    return element("ul", *boxes, class_="facts")


def folded(summary: Child, *children: Child, is_open: bool = False) -> Markup:
    """Return something that unfolds."""
    return element("details", element("summary", summary), *children, open="" if is_open else None)


def _row(cells: Sequence[Child]) -> Markup:
    return element("tr", element("th", cells[0], scope="row"), *(element("td", cell) for cell in cells[1:]))
