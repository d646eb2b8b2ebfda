"""What a component declares of an input, and whether a literal is such a value."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from mlops.errors import ConfigError

LITERALS = ("string", "integer", "number", "boolean")
PATTERNS = {
    "integer": r"[+-]?\d+",
    "number": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "boolean": r"(?i:true|false)",
}


@dataclass(frozen=True)
class ComponentInput:
    """One input of a component. `min` and `max` bound an integer or a number, inclusive."""

    type: str
    description: str | None = None
    optional: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    min: float | None = None
    max: float | None = None


def literal_text(declared: ComponentInput, value: Any, where: str) -> str:
    """Return a value as the command line will have it. Raises ConfigError on one of another type or out of bounds."""
    if not _is(declared.type, value):
        raise ConfigError(f"{where}: should be {declared.type}, is {value!r}")
    text = str(value)
    if declared.enum and text not in [str(one) for one in declared.enum]:
        raise ConfigError(f"{where}: should be one of {', '.join(map(str, declared.enum))}, is '{text}'")
    low = -math.inf if declared.min is None else declared.min
    high = math.inf if declared.max is None else declared.max
    if declared.type in ("integer", "number") and not low <= float(text) <= high:
        raise ConfigError(f"{where}: should be between {low} and {high}, is {text}")
    return text


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool) and kind != "boolean" or not isinstance(value, str | int | float):
        return False
    return re.fullmatch(PATTERNS.get(kind, ".*"), str(value), re.DOTALL) is not None
