"""The few shapes that charts are made of, and scales. Colours are CSS classes, so one chart suits light and dark.

Lengths are in CSS pixels: a chart is drawn for a width, and shown at it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops.report.markup import Child, Markup, element

FONT = 13.0
SMALL = 11.0
GLYPH = 0.56  # mean width of a letter, in heights of the font


@dataclass(frozen=True)
class Scale:
    """Maps low..high linearly to pixels start..end."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value; one beyond the scale is put at its end."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers within low..high, at most `most`, as close as that lets: steps of 1, 2 or 5 times 10^n."""
    if high <= low or most < 1:
        return []
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    choices = (_multiples(low, high, power * factor) for factor in (1, 2, 5, 10, 20, 50, 100))
    return next((marks for marks in choices if len(marks) <= most), [])


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def picture(width: float, height: float, title: str, *children: Child) -> Markup:
    """Return a whole chart. The title is read out in place of it."""
    box = f"0 0 {width:.0f} {height:.0f}"
    shapes = (element("title", title), *children)
    return element("svg", *shapes, viewBox=box, role="img", aria_label=title)


def text(x: float, y: float, content: str, kind: str = "label", anchor: str = "start") -> Markup:
    """Return a line of text; y is its base line."""
    return element("text", content, x=x, y=y, class_=kind, text_anchor=None if anchor == "start" else anchor)


def rect(x: float, y: float, width: float, height: float, kind: str, tip: str | None = None) -> Markup:
    """Return a rectangle; `tip` shows where a pointer rests on it."""
    return element("rect", _tip(tip), x=x, y=y, width=max(width, 0), height=max(height, 0), class_=kind)


def rounded(x: float, y: float, width: float, height: float, kind: str, tip: str | None = None) -> Markup:
    """Return a rectangle with round corners."""
    return element("rect", _tip(tip), x=x, y=y, width=max(width, 0), height=height, rx=3, class_=kind)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def dot(x: float, y: float, radius: float, kind: str, tip: str | None = None) -> Markup:
    """Return a filled circle."""
    return element("circle", _tip(tip), cx=x, cy=y, r=radius, class_=kind)


def polygon(points: Sequence[tuple[float, float]], kind: str, tip: str | None = None) -> Markup:
    """Return a filled shape."""
    return element("polygon", _tip(tip), points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=kind)


def turned(x: float, y: float, degrees: float, content: str, kind: str) -> Markup:
    """Return a line of text turned about its beginning."""
    return element("text", content, transform=f"translate({x:.1f} {y:.1f}) rotate({degrees:.0f})", class_=kind)


def text_width(content: str, size: float = FONT) -> float:
    """Return about how wide a text is."""
    return len(content) * size * GLYPH


def fitted(content: str, width: float, size: float = FONT) -> str:
    """Return the text, cut with an ellipsis where it is wider than `width`."""
    most = max(int(width / (size * GLYPH)), 1)
    return content if len(content) <= most else content[: max(most - 1, 0)].rstrip() + "…"


def _tip(tip: str | None) -> Markup | None:
    return None if tip is None else element("title", tip)
