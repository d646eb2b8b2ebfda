"""What Azure's agent and its steps say to each other: what a person typed in, commands, variables; what waits for what.

Source: learn.microsoft.com, "Logging commands".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

COMMAND = re.compile(r"##vso\[(?P<name>[\w.]+)(?: (?P<properties>[^]]*))?\](?P<value>.*)")
ESCAPES = {"%3B": ";", "%5D": "]", "%0D": "\r", "%0A": "\n", "%AZP25": "%"}


def needs_of(unit: Mapping[str, Any]) -> list[str]:
    """Return the names of what a job or stage waits for."""
    needs = unit.get("dependsOn") or []
    return [needs] if isinstance(needs, str) else list(needs)


def typed(declared: Any, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what a person has typed in, as the parameters want it."""
    kinds = {one["name"]: one["type"] for one in declared}
    return {name: value == "true" if kinds.get(name) == "boolean" else value for name, value in given.items()}


def as_environment(known: Mapping[str, str]) -> dict[str, str]:
    """Return variables as a step's environment has them."""
    return {re.sub(r"\W", "_", name).upper(): value for name, value in known.items()}


def unescaped(text: str) -> str:
    """Return the value of a logging command as it was meant."""
    for escape, sign in ESCAPES.items():
        text = text.replace(escape, sign)
    return text
