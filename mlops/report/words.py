"""Figures as people read them. Whatever is not known, or is no number, reads as a dash."""

from __future__ import annotations

import math
import time

SPACE = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share of 1 in percent."""
    return DASH if _unknown(share) else f"{100 * float(share or 0):.{digits}f}{SPACE}%"


def points(difference: float | None, digits: int = 1) -> str:
    """Return the difference of two shares in percentage points, with its sign."""
    if _unknown(difference):
        return DASH
    text = f"{100 * abs(float(difference or 0)):.{digits}f}"
    sign = "±" if float(text) == 0 else "+" if float(difference or 0) > 0 else MINUS
    return f"{sign}{text}"


def change(new: float, old: float) -> str:
    """Return by how much a figure grew or shrank, in percent of the old one."""
    return points(new / old - 1, 0) + f"{SPACE}%" if old else DASH


def seconds(value: float | None) -> str:
    """Return a duration: two digits below ten seconds, minutes from two minutes on."""
    if _unknown(value):
        return DASH
    number = float(value or 0)
    if number < 120:
        return f"{number:.2f}{SPACE}s" if number < 10 else f"{number:.1f}{SPACE}s"
    return f"{int(number) // 60}{SPACE}min {int(number) % 60}{SPACE}s"


def milliseconds(value: float | None) -> str:
    """Return a latency."""
    return DASH if _unknown(value) else f"{float(value or 0):.3g}{SPACE}ms"


def count(value: int | None) -> str:
    """Return a number of things, thousands set apart."""
    return DASH if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def kibibytes(value: int) -> str:
    """Return a size in KiB."""
    return f"{value / 1024:.1f}{SPACE}KiB"


def moment(epoch: float) -> str:
    """Return a time, to the minute, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(epoch))


def version(number: int | None) -> str:
    """Return a version as it is called in charts; one that was never registered has no number."""
    return "candidate" if number is None else f"v{number}"


def _unknown(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
