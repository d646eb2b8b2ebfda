"""How Azure Pipelines evaluates expressions, as far as these pipelines use them.

Source: learn.microsoft.com, "Expressions": text is compared without regard to case, and null is like the empty text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline_trees.expressions import Rules, Unknown


def azure_rules(names: Mapping[str, Any], states: Mapping[str, bool] | None = None) -> Rules:
    """Return the rules over names in scope. `states` gives succeeded(), failed() and always() where they may stand."""

    def look_up(name: str) -> Any:
        if name not in names:
            raise Unknown(f"'{name}' is not in scope here")
        return names[name]

    tests = {name: _constant(value) for name, value in (states or {}).items()}
    return Rules({**FUNCTIONS, **tests}, look_up, equal, is_true, has_operators=False)


def is_true(value: Any) -> bool:
    """Return the truth of a value. Raises Unknown of what is no boolean: no condition should be one by accident."""
    if not isinstance(value, bool):
        raise Unknown(f"'{value}' is used as a condition and is no boolean")
    return value


def equal(left: Any, right: Any) -> bool:
    """Compare as eq() does. Raises Unknown where the types differ: Azure would convert."""
    left, right = ("" if side is None else side for side in (left, right))
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is not type(right):
        raise Unknown(f"'{left}' is compared with '{right}', which is of another type")
    return bool(left == right)


def variables(values: Mapping[str, str], others: str | None = None) -> Callable[[str], str | None]:
    """Return the variables as expressions see them: by name without regard to case.

    Raises Unknown for a name that nobody sets; where `others` is given, a name with a dot, of a step's output, is that.
    """
    known = {name.lower(): value for name, value in values.items()}

    def look_up(name: str) -> str | None:
        if name.lower() in known:
            return known[name.lower()]
        if name.startswith(("VISIONLINE_", "System.PullRequest.")):
            return None  # a team's setting, and this pipeline includes none; or what only pull requests have
        if others is not None and "." in name and not name.startswith(("Build.", "System.", "Agent.")):
            return others
        raise Unknown(f"the variable '{name}' is set by nobody")

    return look_up


def _constant(value: bool) -> Callable[[], bool]:
    return lambda: value


def _text(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise Unknown(f"'{value}' is used as text")
    return value or ""


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "and": lambda *values: all([is_true(value) for value in values]),
    "or": lambda *values: any([is_true(value) for value in values]),
    "not": lambda value: not is_true(value),
    "in": lambda value, *others: any([equal(value, other) for other in others]),
    "contains": lambda text, part: _text(part).lower() in _text(text).lower(),
    "startswith": lambda text, start: _text(text).lower().startswith(_text(start).lower()),
    "split": lambda text, sign: _text(text).split(_text(sign)),
    "replace": lambda text, old, new: _text(text).replace(_text(old), _text(new)),
}
