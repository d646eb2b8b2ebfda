"""Charts of figures: shares with intervals, bars side by side, a confusion matrix. Pure: values in, SVG out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops.report import words
from mlops.report.markup import Markup, join
from mlops.report.svg import SMALL, Scale, dot, fitted, line, picture, rect, rounded, text, text_width, ticks, turned

AXIS = 22.0
MARK = 13.0
ROW_GAP = 11.0
BAR = 13.0
JOINED = 36.0  # height of a row whose marks share a line
LEAN = 0.87  # height of a text turned by 60 degrees, in its widths


@dataclass(frozen=True)
class Mark:
    """A share of 1, the interval that it is known within, and the CSS class of whose it is."""

    value: float
    kind: str
    interval: tuple[float, float] | None = None
    tip: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a chart of shares: what it is about, its marks, and a figure in words at its end."""

    label: str
    marks: tuple[Mark, ...]
    figure: str
    change: str = ""

    @property
    def is_known_within(self) -> bool:
        """Tell whether any mark has an interval."""
        return any(mark.interval for mark in self.marks)


@dataclass(frozen=True)
class Bar:
    """One bar: its length in any unit, that in words, and its CSS class."""

    label: str
    value: float
    figure: str
    kind: str


@dataclass(frozen=True)
class BarGroup:
    """Bars that share one scale, which begins at zero."""

    title: str
    bars: tuple[Bar, ...]
    change: str = ""


def shares(rows: Sequence[Row], width: float, title: str) -> Markup:
    """Return a line a row with a dot a mark, its interval as a whisker, and the figure at the right."""
    left = min(max(text_width(row.label) for row in rows) + 10, width * 0.32)
    right = max(text_width(row.figure + row.change) for row in rows) + 16
    low, high = _range(rows)
    scale = Scale(low, high, left, width - right)
    heights = [len(row.marks) * MARK + ROW_GAP if row.is_known_within else JOINED for row in rows]
    tops = [sum(heights[:index]) + 4 for index in range(len(rows))]
    bottom = sum(heights) + 4
    grid = _share_axis(scale, bottom)
    places = zip(rows, tops, heights, strict=True)
    drawn = [_share_row(row, top + (height - ROW_GAP) / 2, scale, width) for row, top, height in places]
    return picture(width, bottom + AXIS, title, grid, *drawn)


def _range(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the least and the largest share to draw, with a little room, on round numbers."""
    edges = [edge for row in rows for mark in row.marks for edge in (mark.interval or (mark.value, mark.value))]
    low, high = min(edges), max(edges)
    unit = 0.005 if high - low < 0.04 else 0.01 if high - low < 0.1 else 0.05
    return max(0.0, (low / unit // 1) * unit), min(1.0, (high / unit // 1 + 1) * unit)


def _share_axis(scale: Scale, bottom: float) -> Markup:
    most = max(int((scale.end - scale.start) / 46), 2)
    marks = ticks(scale.low, scale.high, most)
    digits = 1 if any(round(1000 * mark) % 10 for mark in marks) else 0
    lines = [line(scale.at(mark), 0, scale.at(mark), bottom, "grid") for mark in marks]
    labels = [text(scale.at(mark), bottom + 16, words.percent(mark, digits), "tick", "middle") for mark in marks]
    return join([*lines, *labels])


def _share_row(row: Row, middle: float, scale: Scale, width: float) -> Markup:
    base = middle + 4.5
    label = text(0, base, fitted(row.label, scale.start - 8), "label")
    figure = text(width - text_width(row.change) - (5 if row.change else 0), base, row.figure, "figure", "end")
    change = text(width, base, row.change, "muted", "end")
    marks = _below_each_other(row, middle, scale) if row.is_known_within else _joined(row, middle, scale)
    return join([label, marks, figure, change])


def _below_each_other(row: Row, middle: float, scale: Scale) -> Markup:
    """Return the marks so that no interval covers another."""
    top = middle - len(row.marks) * MARK / 2
    return join(_mark(mark, top + (index + 0.5) * MARK, scale) for index, mark in enumerate(row.marks))


def _joined(row: Row, middle: float, scale: Scale) -> Markup:
    """Return the marks on one line that joins them, the first one on top."""
    places = [scale.at(mark.value) for mark in row.marks]
    marks = [_mark(mark, middle, scale) for mark in reversed(row.marks)]
    return join([line(min(places), middle, max(places), middle, "joint"), *marks])


def _mark(mark: Mark, y: float, scale: Scale) -> Markup:
    ends = [scale.at(edge) for edge in mark.interval or ()]
    whisker = line(ends[0], y, ends[1], y, f"whisker line-{mark.kind}") if ends else None
    return join([whisker, dot(scale.at(mark.value), y, 4.5, f"mark fill-{mark.kind}", mark.tip)])


def bars(groups: Sequence[BarGroup], width: float, title: str) -> Markup:
    """Return groups of bars one below the other, each group to its own scale, the figure beside each bar."""
    left = max(text_width(bar.label) for group in groups for bar in group.bars) + 10
    right = max(text_width(bar.figure) for group in groups for bar in group.bars) + 10
    drawn, top = [], 0.0
    for group in groups:
        scale = Scale(0.0, max(bar.value for bar in group.bars), 0.0, width - left - right)
        drawn.append(_group(group, top, scale, left, width))
        top += 24 + len(group.bars) * (BAR + 6) + 14
    return picture(width, top - 8, title, *drawn)


def _group(group: BarGroup, top: float, scale: Scale, left: float, width: float) -> Markup:
    head = [text(0, top + 13, group.title, "strong"), text(width, top + 13, group.change, "muted", "end")]
    rows = [_bar(bar, top + 24 + index * (BAR + 6), scale, left) for index, bar in enumerate(group.bars)]
    return join([*head, *rows])


def _bar(bar: Bar, top: float, scale: Scale, left: float) -> Markup:
    length = max(scale.at(bar.value), 1.5)
    base = top + BAR - 2
    shape = rounded(left, top, length, BAR, f"bar fill-{bar.kind}")
    return join([text(0, base, bar.label, "label"), shape, text(left + length + 7, base, bar.figure, "figure")])


def heatmap(counts: Sequence[Sequence[int]], labels: Sequence[str], width: float, title: str) -> Markup:
    """Return a confusion matrix: row is the true class, column what was said; each row is shaded by its own sum."""
    longest = max(text_width(label, SMALL) for label in labels)
    left, head = min(longest + 10, width * 0.26), min(longest * LEAN + 12, 96.0)
    side = (width - left - head * 0.4) / len(labels)
    rows = [_heat_row(index, counts[index], labels, (left, head), side) for index in range(len(labels))]
    columns = [
        turned(left + (index + 0.6) * side, head - 6, -60, fitted(label, (head - 8) / LEAN, SMALL), "tick")
        for index, label in enumerate(labels)
    ]
    return picture(width, head + side * len(labels) + 2, title, *columns, *rows)


def _heat_row(
    index: int, row: Sequence[int], labels: Sequence[str], origin: tuple[float, float], side: float
) -> Markup:
    left, top = origin[0], origin[1] + index * side
    total = sum(row) or 1
    label = text(left - 7, top + side / 2 + 4, fitted(labels[index], left - 7, SMALL), "tick", "end")
    cells = []
    for column, number in enumerate(row):
        tip = f"{labels[index]} taken for {labels[column]}: {number} of {total}"
        kind = "right" if column == index else "wrong"
        cells.append(_cell((left + column * side, top), side, number, number / total, (kind, tip)))
    return join([label, *cells])


def _cell(at: tuple[float, float], side: float, number: int, share: float, kind_and_tip: tuple[str, str]) -> Markup:
    kind, tip = kind_and_tip
    shade = min(9, round(9 * share)) if kind == "right" else min(9, round(9 * min(share * 4, 1.0)))
    box = rect(at[0] + 0.75, at[1] + 0.75, side - 1.5, side - 1.5, f"heat {kind}-{shade if number else 0}", tip)
    words_in = (
        text(at[0] + side / 2, at[1] + side / 2 + 3.5, str(number), f"cell on-{kind}-{shade}", "middle")
        if number
        else None
    )
    return join([box, words_in])
