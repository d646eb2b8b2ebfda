"""When a schedule starts its job, and what it gives to it: cron, recurrence, time zone, inputs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mlops.jobfile.triggers import check_cron, check_time_zone
from mlops.lint.document import Keys
from mlops.lint.finding import Finding, refusals
from mlops.lint.parts import Part, as_mapping
from mlops.lint.references import local_path
from mlops.lint.surroundings import Surroundings

# The least and the greatest value of what a recurrence may say.
RANGES = {"hours": (0, 23), "minutes": (0, 59), "month_days": (1, 31)}


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield what is wrong in a schedule's trigger, and which inputs its job does not have."""
    if part.role == "schedule":
        yield from _trigger(part)
    if part.role == "scheduledJob":
        yield from _inputs(part, around)


def _trigger(part: Part) -> Iterator[Finding]:
    trigger = part.mapping("trigger")
    if "expression" in trigger:
        yield from _refused(part, "expression", check_cron, str(trigger["expression"]))
    if "time_zone" in trigger:
        yield from _refused(part, "time_zone", check_time_zone, str(trigger["time_zone"]))
    if trigger.get("type") == "recurrence":
        yield from _recurrence(part)
    yield from _times(part)


def _refused(part: Part, key: str, check: Any, value: str) -> Iterator[Finding]:
    for problem in refusals(check, value, "trigger"):
        yield part.finding(("trigger", key), problem)


def _recurrence(part: Part) -> Iterator[Finding]:
    trigger = part.mapping("trigger")
    interval = trigger.get("interval")
    if isinstance(interval, int) and interval < 1:
        yield part.finding(("trigger", "interval"), f"trigger.interval: is {interval}: write 1 or more")
    for key, (least, most) in RANGES.items():
        for value in _listed(as_mapping(trigger.get("schedule")).get(key)):
            if isinstance(value, int) and not least <= value <= most:
                text = f"trigger.schedule.{key}: {value} is not in {least}-{most}: write one that is"
                yield part.finding(("trigger", "schedule", key), text)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _times(part: Part) -> Iterator[Finding]:
    times: dict[str, datetime] = {}
    for key in ("start_time", "end_time"):
        value = part.mapping("trigger").get(key)
        keys: Keys = ("trigger", key)
        try:
            times |= {} if value is None else {key: datetime.fromisoformat(str(value)).replace(tzinfo=None)}
        except ValueError:
            yield part.finding(keys, f"trigger.{key}: '{value}' is no time: write one as 2026-01-31T03:00:00")
    if len(times) == 2 and times["end_time"] <= times["start_time"]:
        yield part.finding(("trigger", "end_time"), "trigger.end_time: is not after start_time: nothing would start")


def _inputs(part: Part, around: Surroundings) -> Iterator[Finding]:
    job = part.content.get("job")
    path = local_path(job) if isinstance(job, str) else None
    document = around.document(part.document.path.parent / path) if path else None
    if document is None:
        return
    known = as_mapping(document.content.get("inputs"))
    for name in part.mapping("inputs"):
        if name not in known:
            advice = f"it has {', '.join(known) or 'none'}"
            text = f"{part.where('inputs', name)}: {document.name} has no such input: {advice}"
            yield part.finding(("inputs", name), text)
