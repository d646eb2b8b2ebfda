"""Charts over time: who answered the requests, what ran when, what was said of each frame. Pure: values in, SVG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlops.report import words
from mlops.report.collect import Prediction
from mlops.report.markup import Markup, join
from mlops.report.story import Span
from mlops.report.svg import (
    SMALL,
    Scale,
    dot,
    fitted,
    line,
    picture,
    polygon,
    rect,
    rounded,
    text,
    text_width,
    ticks,
)
from mlops.report.traffic import Bin, Traffic

AXIS = 20.0
MARKER = 18.0
AREA = 210.0
RATE = 46.0
LANE = 26.0


@dataclass(frozen=True)
class Moment:
    """Something that happened: epoch seconds, its number in the list below the chart, what it was, and its tone."""

    time: float
    number: int
    words: str
    tone: str


def traffic_chart(
    seen: Traffic, began: float, moments: Sequence[Moment], colours: Mapping[int, str], width: float
) -> Markup:
    """Return the share of requests by version as stacked areas, the moments marked, and requests a second below.

    The axis shows seconds since `began`, in epoch seconds.
    """
    left = 44.0
    across = Scale(seen.start, seen.end, left, width - 6)
    levels = _levels([across.at(moment.time) for moment in moments])
    top = (max(levels, default=-1) + 1) * MARKER + 6
    down = Scale(0.0, 1.0, top + AREA, top)
    foot = top + AREA + 26
    parts = [
        _share_grid(down, left, width - 6),
        *(_stretch(part, seen, across, down, colours) for part in _stretches(seen.bins)),
        *(_moment(one, level, across, top) for one, level in zip(moments, levels, strict=True)),
        _rates(seen, across, foot),
        _time_axis((seen.start - began, seen.end - began), left, width - 6, foot + RATE),
    ]
    title = "Share of requests answered by each version over time, and requests per second"
    return picture(width, foot + RATE + AXIS, title, *parts)


def _share_grid(down: Scale, left: float, right: float) -> Markup:
    marks = [(down.at(share), words.percent(share, 0)) for share in (0.0, 0.5, 1.0)]
    return join(
        part
        for y, name in marks
        for part in (line(left, y, right, y, "grid"), text(left - 6, y + 4, name, "tick", "end"))
    )


def _stretches(bins: Sequence[Bin]) -> list[range]:
    """Return the runs of bins that hold answers; where there were none, there is no share to draw."""
    indices = [index for index, one in enumerate(bins) if one.answered]
    runs = groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0])
    lists = [[index for _, index in run] for _, run in runs]
    return [range(run[0], run[-1] + 1) for run in lists]


def _stretch(part: range, seen: Traffic, across: Scale, down: Scale, colours: Mapping[int, str]) -> Markup:
    """Return the areas of one stretch, the versions stacked in order from below."""
    areas, below = [], [0.0] * len(part)
    for version in seen.versions:
        shares = [_share(seen.bins[index], version) for index in part]
        above = [low + share for low, share in zip(below, shares, strict=True)]
        edges = [*_edge(above, part, seen, across, down), *reversed(_edge(below, part, seen, across, down))]
        if any(shares):
            areas.append(polygon(edges, f"area fill-{colours[version]}", f"version {version}"))
        below = above
    return join(areas)


def _share(one: Bin, version: int) -> float:
    return one.answered.get(version, 0) / sum(one.answered.values())


def _edge(
    heights: Sequence[float], part: range, seen: Traffic, across: Scale, down: Scale
) -> list[tuple[float, float]]:
    """Return an edge of an area as steps: a bin is flat, since within it nothing is known."""
    sides = [
        (seen.start + (part[0] + index + side) * seen.bin_seconds, height)
        for index, height in enumerate(heights)
        for side in (0, 1)
    ]
    return [(across.at(time), down.at(height)) for time, height in sides]


def _levels(positions: Sequence[float]) -> list[int]:
    """Return the row for each marker so that none covers another: the first row in which the last is far enough."""
    ends: list[float] = []
    levels = []
    for position in positions:
        level = next((row for row, end in enumerate(ends) if position - end >= MARKER), len(ends))
        ends[level : level + 1] = [position]
        levels.append(level)
    return levels


def _moment(one: Moment, level: int, across: Scale, top: float) -> Markup:
    x, y = across.at(one.time), level * MARKER + 9
    mark = dot(x, y, 8, f"marker tone-{one.tone}", one.words)
    return join([line(x, y + 8, x, top + AREA, "event"), mark, text(x, y + 3.5, str(one.number), "number", "middle")])


def _rates(seen: Traffic, across: Scale, top: float) -> Markup:
    """Return a bar a bin: requests per second, failed ones on top in a colour of their own."""
    most = max(one.total for one in seen.bins) or 1
    rate = words.count(round(most / seen.bin_seconds))
    caption = text(across.start, top - 6, f"requests per second, at most {rate}", "tick")
    wide = (across.end - across.start) / len(seen.bins)
    bars = []
    for index, one in enumerate(seen.bins):
        x = across.start + index * wide
        height, bad = RATE * one.total / most, RATE * one.failed / most
        bars.append(rect(x, top + RATE - height + bad, max(wide - 0.6, 0.6), height - bad, "rate"))
        if one.failed:
            bars.append(rect(x, top + RATE - height, max(wide - 0.6, 0.6), max(bad, 2), "failed"))
    return join([caption, *bars])


def _time_axis(seconds: tuple[float, float], left: float, right: float, bottom: float) -> Markup:
    scale = Scale(*seconds, left, right)
    marks = ticks(*seconds, max(int((right - left) / 70), 2))
    labels = [text(min(scale.at(mark), right - 10), bottom + 15, f"{mark:g} s", "tick", "middle") for mark in marks]
    return join([line(left, bottom, right, bottom, "axis"), *labels])


def lanes_chart(spans: Sequence[Span], names: Sequence[str], colours: Mapping[str, str], width: float) -> Markup:
    """Return what ran when: a lane a model, the last one for what belongs to none."""
    rows = [*names, ""]
    left = max([text_width(name) for name in names] + [24.0]) + 12
    end = max(span.start + span.seconds for span in spans)
    across = Scale(0.0, end, left, width - 4)
    bottom = len(rows) * LANE
    bands = [line(left, (row + 1) * LANE, width - 4, (row + 1) * LANE, "grid") for row in range(len(rows))]
    heads = [text(0, row * LANE + 17, name or "all", "label") for row, name in enumerate(rows)]
    drawn = [_span(span, rows.index(span.lane) * LANE, across, colours.get(span.lane, "none")) for span in spans]
    axis = _time_axis((0.0, end), left, width - 4, bottom)
    return picture(width, bottom + AXIS, "What ran when, in seconds since the start", *bands, *heads, *drawn, axis)


def _span(span: Span, top: float, across: Scale, colour: str) -> Markup:
    x, wide = across.at(span.start), across.at(span.start + span.seconds) - across.at(span.start)
    tip = f"{span.name}: {words.seconds(span.seconds)}"
    short = span.name.split()[0]
    box = rounded(x + 0.4, top + 4, max(wide - 0.8, 1.2), LANE - 8, f"span fill-{colour}", tip)
    fits = text_width(short, SMALL) + 10 < wide
    return join([box, text(x + 6, top + 17, short, f"inside on-{colour}") if fits else None])


def frames_strip(predictions: Sequence[Prediction], width: float) -> Markup:
    """Return the stream frame by frame: right, wrong, or nothing to judge; each item's true label where it fits."""
    across = Scale(0, len(predictions), 0, width)
    blocks, items, at = [], [], 0
    for key, frames in groupby(predictions, key=lambda one: (one.truth, one.label == one.truth)):
        end = at + len(list(frames))
        kind = "idle" if key[0] is None else "right" if key[1] else "wrong"
        blocks.append(rect(across.at(at), 0, across.at(end) - across.at(at), 20, f"frame-{kind}", key[0] or "no item"))
        at = end
    for truth, first, last in _items(predictions):
        wide = across.at(last) - across.at(first)
        if wide > 40:
            items.append(text(across.at(first) + wide / 2, 36, fitted(truth, wide, SMALL), "tick", "middle"))
    height = 42 if items else 20
    return picture(width, height, "Frame by frame: right, wrong, or no item in sight", *blocks, *items)


def _items(predictions: Sequence[Prediction]) -> list[tuple[str, int, int]]:
    """Return the true label, first frame and end of each stretch of frames that shows the same."""
    found, at = [], 0
    for truth, frames in groupby(predictions, key=lambda one: one.truth):
        end = at + len(list(frames))
        if truth is not None:
            found.append((truth, at, end))
        at = end
    return found
