"""One change that a plan announces, whichever language planned it: kinds are Azure's own, Microsoft.Storage/...."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CREATE, UPDATE, REPLACE, DELETE, KEEP, UNCLEAR = "create", "change", "replace", "delete", "keep", "unclear"

# A template within a template: what it holds are changes of their own, where the plan has looked into it.
DEPLOYMENT = "Microsoft.Resources/deployments"

State = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """What happens to one resource. `place` is its address or id; `before` and `after` are its attributes.

    `paths` names the attributes that change. `unknown` are those that only a deployment can tell. `cause` says why an
    unclear change is one.
    """

    action: str
    kind: str
    place: str
    before: State
    after: State
    paths: tuple[str, ...] = ()
    unknown: State | None = None
    cause: str = ""


def value_at(state: Any, dotted: str) -> Any:
    """Return what stands at a path as `a.0.b`, or None. Azure's own names are found whatever their case."""
    for part in dotted.split("."):
        if isinstance(state, Mapping):
            state = state.get(part, next((state[key] for key in state if key.lower() == part.lower()), None))
        elif isinstance(state, list) and part.isdigit() and int(part) < len(state):
            state = state[int(part)]
        else:
            return None
    return state


def first_at(state: Any, *paths: str) -> Any:
    """Return what stands at the first of the paths that holds anything, or None."""
    return next((value for path in paths if (value := value_at(state, path)) is not None), None)
