"""What Azure ML takes as the time of a schedule. Neither the SDK nor a schema checks it, and the service not all of it.

An expression has five fields: minute, hour, day, month and weekday (0-6 from Sunday, or its name). Azure ML reads the
day and the month and ignores them, so `0 3 1 * *` would run each night: here that is an error. Time zones have the
names that Windows gives them.

Source: learn.microsoft.com, "Schedule machine learning pipeline jobs".
"""

from __future__ import annotations

import difflib
import re

from mlops.errors import ConfigError
from mlops.jobfile.timezones import TIME_ZONES

FIELDS = ("minute", "hour", "day", "month", "weekday")
LIMITS = {"minute": 59, "hour": 23, "weekday": 6}
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def check_cron(expression: str, where: str) -> None:
    """Raise ConfigError, beginning with `where`, on a cron expression that Azure ML would not run as it reads."""
    said = f"{where}: cron '{expression}'"
    values = expression.split()
    if len(values) != len(FIELDS):
        raise ConfigError(f"{said}: has {len(values)} fields: give five: {' '.join(FIELDS)}")
    for field, value in zip(FIELDS, values, strict=True):
        problem = _ignored(value) if field not in LIMITS else _wrong(field, value)
        if problem:
            raise ConfigError(f"{said}: {field} {problem}")


def check_time_zone(name: str, where: str) -> None:
    """Raise ConfigError, beginning with `where`, on a name that no time zone has in Windows."""
    if name in TIME_ZONES:
        return
    near = difflib.get_close_matches(name, TIME_ZONES, n=1, cutoff=0.5) or ["UTC", "W. Europe Standard Time"]
    raise ConfigError(
        f"{where}: time_zone '{name}' is unknown: use a name that Windows gives, as {' or '.join(map(repr, near))}"
    )


def _ignored(value: str) -> str:
    return "" if value == "*" else f"{value} would be ignored by Azure ML, and each one meant: write * there"


def _wrong(field: str, value: str) -> str:
    return next((problem for part in value.split(",") if (problem := _wrong_part(field, part))), "")


def _wrong_part(field: str, part: str) -> str:
    found = PART.fullmatch(part)
    if not found:
        return f"'{part}' is no *, value, range a-b or step /n of one"
    first, last, step = found.groups()
    numbers = [_number(field, text) for text in (first, last) if text is not None]
    if not all(0 <= number <= LIMITS[field] for number in numbers):
        return f"'{part}' is not in 0-{LIMITS[field]}"
    if step is not None and int(step) == 0:
        return f"'{part}' has a step of nothing"
    return f"'{part}' ends before it begins" if numbers != sorted(numbers) else ""


def _number(field: str, text: str) -> int:
    if text.isdecimal():
        return int(text)
    named = [number for number, name in enumerate(WEEKDAYS) if text.lower() in (name, name[:3])]
    return named[0] if field == "weekday" and named else -1
