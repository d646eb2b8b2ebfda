"""How GitHub Actions evaluates expressions, as far as these workflows use them.

Source: docs.github.com, "Evaluate expressions in workflows and actions": values of two types are compared as numbers,
text without regard to case; null, false, 0 and the empty text count as false.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import isnan, nan
from typing import Any

from pipeline_trees.expressions import Rules, Unknown, evaluate

PART = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(")


def github_rules(names: Mapping[str, Any], status: str = "success") -> Rules:
    """Return the rules over contexts in scope, where all before has ended with this status."""

    def look_up(name: str) -> Any:
        if name not in names:
            raise Unknown(f"'{name}' is not in scope here")
        return names[name]

    tests: dict[str, Callable[..., Any]] = {
        "success": lambda: status == "success",
        "failure": lambda: status == "failure",
        "cancelled": lambda: status == "cancelled",
        "always": lambda: True,
    }
    return Rules({**FUNCTIONS, **tests}, look_up, equal, is_true, has_operators=True)


def holds(condition: Any, names: Mapping[str, Any], status: str = "success") -> bool:
    """Tell whether a step or a job runs: without a status function, only where all before has succeeded."""
    if condition is None:
        return status == "success"
    text = condition if isinstance(condition, str) else str(condition).lower()
    whole = PART.fullmatch(text.strip())
    text = whole.group(1) if whole else text
    is_so = is_true(evaluate(text, github_rules(names, status)))
    return is_so and (bool(STATUS.search(text)) or status == "success")


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """Return a value with its `${{ }}` evaluated; what is one expression keeps its type."""
    if not isinstance(value, str):
        return value
    whole = PART.fullmatch(value.strip())
    if whole:
        return evaluate(whole.group(1), github_rules(names))
    return PART.sub(lambda found: as_text(evaluate(found.group(1), github_rules(names))), value)


def as_text(value: Any) -> str:
    """Return a value as an environment variable shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def is_true(value: Any) -> bool:
    """Return the truth of a value."""
    return not (value is None or value is False or value == "" or value == 0)


def equal(left: Any, right: Any) -> bool:
    """Compare as == does."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return bool(left == right)
    numbers = _number(left), _number(right)
    return not any(map(isnan, numbers)) and numbers[0] == numbers[1]


def members(known: Mapping[str, Any], what: str) -> Callable[[str], Any]:
    """Return a context that refuses a name which nobody sets: GitHub would take it for null."""

    def look_up(name: str) -> Any:
        if name not in known:
            raise Unknown(f"{what} has no '{name}'")
        return known[name]

    return look_up


def _number(value: Any) -> float:
    try:
        return 0.0 if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return nan


def _contains(of: Any, item: Any) -> bool:
    if isinstance(of, list):
        return any(equal(one, item) for one in of)
    return as_text(item).lower() in as_text(of).lower()


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "format": lambda text, *values: as_text(text).format(*map(as_text, values)),
    "fromjson": json.loads,
}
