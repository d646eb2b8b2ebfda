"""The page of the results, in Markdown, with the pictures beside it: made from the results and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.autoscaling.chart import crowd_chart, rules_chart, settings_chart
from benchmarks.autoscaling.words import CROWD, INTRODUCTION, LIMITS, SETTINGS, STARTS
from benchmarks.serving.page import table

Json = dict[str, Any]
HEAD = ("rule", "frames lost", "later than 0.5 s", "p99 age, s", "replica-hours")


def publish(results: Json, folder: Path) -> None:
    """Write autoscaling.md and the three pictures into a folder."""
    drawn = {"": rules_chart, "-crowd": crowd_chart, "-settings": settings_chart}
    for name, draw in drawn.items():
        (folder / f"autoscaling{name}.svg").write_text(draw(results), encoding="utf-8")
    (folder / "autoscaling.md").write_text(page(results), encoding="utf-8")


def page(results: Json) -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        _measured(results),
        "## Every rule on every trace",
        "![Frames lost, p99 age and replica-hours by rule and trace](autoscaling.svg)",
        *(_trace(trace, runs, results["size"]["hours"][trace]) for trace, runs in results["runs"].items()),
        CROWD,
        "![One crowd at one site, and the replicas of each rule](autoscaling-crowd.svg)",
        f"{SETTINGS}\n\n{_defaults(results)}",
        "![What each value of each setting costs](autoscaling-settings.svg)",
        f"{STARTS}\n\n{_starts(results)}",
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def _measured(results: Json) -> str:
    facts, found, size = results["facts"], results["measured"], results["size"]
    replica = found["replica"]
    rows = [
        ("date, commit", f"{facts['date']}, {facts['commit']}"),
        ("machine", f"{facts['processor']}, {facts['cores']} cores; {facts['system']}, Python {facts['python']}"),
        ("one core, MobileNetV2, JPEG files", f"{found['frames_per_second']:.1f} frames/s, measured (serving.json)"),
        ("a detector's frame", f"{found['detector_cost']:g} times that, stated: 448x448 against 224x224"),
        ("a replica: one core", f"{replica['speed']:.2f} frames/s, {1000 / replica['speed']:.0f} ms a frame"),
        ("the runtime's start", f"{found['process_start_seconds']:.2f} s to the first answer, measured"),
        ("a pod's start", f"{found['schedule_seconds']:g} s, stated: Kubernetes' own objective, without the pull"),
        ("the probe", f"{found['probe_seconds']:g} s, stated: the period of the readiness probe"),
        ("so a replica is ready", f"{replica['start']} s after it was wanted"),
        ("size", f"{size['streams']:,} streams on {size['sites']} sites, seed {size['seed']}"),
    ]
    return "## What it rests on\n\n" + "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {what} |" for name, what in rows)]
    )


def _trace(trace: str, runs: Json, hours: float) -> str:
    frames = max(run["frames"] for run in runs.values())
    rows = [(rule, *_figures(run)) for rule, run in runs.items()]
    return f"### {trace.capitalize()}: {hours:g} h, {frames / 1e6:,.1f} million frames\n\n" + table(HEAD, rows)


def _figures(run: Json) -> tuple[str, ...]:
    shares = (f"{run['lost_share']:.2%}", f"{run['late_share']:.2%}")
    return (*shares, f"{run['p99_age_seconds']:.2f}", f"{run['replica_hours']:,.0f}")


def _defaults(results: Json) -> str:
    rows = [
        (f"`{part}.{key}`", f"{value:g}")
        for part, settings in results["defaults"].items()
        for key, value in settings.items()
    ]
    return table(("setting", "default"), rows)


def _starts(results: Json) -> str:
    rules = list(results["starts"][0]["rules"])
    rows = [
        (f"{one['start_seconds']} s", *(f"{run['lost_share']:.2%}, {run['replica_hours']:,.0f} h" for run in runs))
        for one in results["starts"]
        for runs in (one["rules"].values(),)
    ]
    return table(("ready after", *rules), rows)
