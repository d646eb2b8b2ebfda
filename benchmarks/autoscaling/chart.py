"""The three pictures: what each rule loses and costs, one crowd as each rule sees it, and each setting's tries.

Results in, SVG out; each is made from docs/benchmarks/autoscaling.json and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.autoscaling.drawing import alone
from mlops.report.markup import Markup, element, join
from mlops.report.svg import Scale, line, polygon, rect, text

LEFT, TOP, ROW, BAR = 168.0, 50.0, 26.0, 9.0
COLUMN, FULL, GAP = 92.0, 50.0, 18.0
FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("lost_share", "lost", lambda value: f"{value:.2%}"),
    ("p99_age_seconds", "age", lambda value: f"{value:.2f} s"),
    ("replica_hours", "hours", lambda value: f"{value:,.0f}"),
)
HEADS = {"lost": "frames lost", "age": "p99 age", "hours": "replica-hours"}
PANEL, PANEL_GAP, PANEL_WIDTH = 54.0, 26.0, 560.0

Json = dict[str, Any]


def rules_chart(results: Json) -> str:
    """Return the figures of every rule on every trace as bars, each column to its own scale."""
    traces, rules = list(results["runs"]), list(next(iter(results["runs"].values())))
    block = len(FIGURES) * COLUMN + GAP
    parts = [text(0, TOP + index * ROW + BAR + 1, rule) for index, rule in enumerate(rules)]
    for number, trace in enumerate(traces):
        x = LEFT + number * block
        parts.append(text(x, 16, trace, "head"))
        parts += [_bars(results["runs"][trace], figure, x + place * COLUMN) for place, figure in enumerate(FIGURES)]
    size = results["size"]
    title = f"What each rule loses and costs, {size['streams']:,} streams on {size['sites']} sites"
    return alone(LEFT + len(traces) * block, TOP + len(rules) * ROW + 6, title, *parts)


def _bars(runs: Json, figure: tuple[str, str, Callable[[float], str]], x: float) -> Markup:
    key, kind, shown = figure
    scale = Scale(0, max(run[key] for run in runs.values()) or 1, 0, FULL)
    parts = [text(x, 33, HEADS[kind], "small")]
    for index, run in enumerate(runs.values()):
        y = TOP + index * ROW
        parts.append(rect(x, y, scale.at(run[key]), BAR, kind))
        parts.append(text(x, y + BAR + 10, shown(run[key]), "tick"))
    return join(parts)


def crowd_chart(results: Json) -> str:
    """Return one site's load and replicas over half an hour, a panel a rule."""
    crowd = results["crowd"]
    most = max([*crowd["load_replicas"], *(max(each) for each in crowd["replicas"].values())])
    panels = [_panel(rule, index, crowd, most) for index, rule in enumerate(crowd["replicas"])]
    height = 40 + len(panels) * (PANEL + PANEL_GAP)
    minutes = len(crowd["load_replicas"]) * crowd["step_seconds"] // 60
    across = Scale(0, minutes, LEFT, LEFT + PANEL_WIDTH)
    ticks = [text(across.at(minute), height - 16, f"{minute} min", "tick", "middle") for minute in range(0, minutes, 5)]
    words = "grey: replicas that the load would keep busy; line: replicas that there are, starting ones too"
    title = "One crowd at one site, and the replicas of each rule"
    return alone(LEFT + PANEL_WIDTH + 40, height, title, *panels, *ticks, text(0, height - 2, words, "small"))


def _panel(rule: str, index: int, crowd: Json, most: float) -> Markup:
    top = 10 + index * (PANEL + PANEL_GAP)
    load, replicas = crowd["load_replicas"], crowd["replicas"][rule]
    across, down = Scale(0, len(load), LEFT, LEFT + PANEL_WIDTH), Scale(0, most, top + PANEL, top)
    ends = [(across.end, down.start), (across.start, down.start)]
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in _steps(replicas, across, down))
    return join(
        [
            text(0, top + PANEL / 2 + 4, rule),
            polygon([*_steps(load, across, down), *ends], "load"),
            line(LEFT, down.start, across.end, down.start, "grid"),
            element("polyline", points=steps, class_="step"),
            text(across.end + 6, down.at(max(replicas)) + 8, f"{max(replicas):.0f}", "tick"),
        ]
    )


def _steps(values: Sequence[float], across: Scale, down: Scale) -> list[tuple[float, float]]:
    places = ((across.at(index + after), down.at(value)) for index, value in enumerate(values) for after in (0, 1))
    return list(places)


def settings_chart(results: Json) -> str:
    """Return the cost of each value of each setting that was tried, the kept one in blue."""
    kept = {key: value for part in results["defaults"].values() for key, value in part.items()}
    parts, top = [], 16.0
    for key, tries in results["settings"]["tries"].items():
        parts.append(text(0, top, key, "head"))
        scale = Scale(0, max(one["cost"] for one in tries), 0, 320)
        for index, one in enumerate(tries):
            y = top + 8 + index * 16
            parts.append(text(LEFT - 8, y + BAR, f"{one['value']:g}", "small", "end"))
            parts.append(rect(LEFT, y, scale.at(one["cost"]), BAR, "best" if one["value"] == kept[key] else "other"))
            parts.append(text(LEFT + scale.at(one["cost"]) + 6, y + BAR, _words(one), "tick"))
        top += 8 + len(tries) * 16 + 22
    return alone(780, top - 10, "What each value of each setting costs", *parts)


def _words(one: Json) -> str:
    runs = "; ".join(f"{run['lost_share']:.2%} lost, {run['replica_hours']:,.0f} h" for run in one["runs"].values())
    return f"cost {one['cost']:,.0f} ({runs})"
