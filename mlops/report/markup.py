"""HTML and SVG by composition. Text is escaped where it enters an element, so no caller can forget to.

It knows no report. Attributes are keywords: `class_` is class, `stroke_width` is stroke-width, None leaves one out.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

VOID = {"img", "meta"}


class Markup(str):
    """Markup that stands as it is. Every other string is text."""


Child = str | None
Attribute = str | float | None


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return one element; a child that is None is left out."""
    opened = f"<{tag}{''.join(_attribute(name, value) for name, value in attributes.items())}>"
    return Markup(opened if tag in VOID else f"{opened}{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Markup:
    """Return the children one after the other, text escaped."""
    return Markup("".join(escape(child) for child in children if child is not None))


def escape(text: str) -> Markup:
    """Return text as markup that shows it; markup itself is returned as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(text))


def _attribute(name: str, value: Attribute) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name.rstrip("_").replace("_", "-")}="{html.escape(text)}"'
