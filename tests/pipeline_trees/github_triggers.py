"""What starts GitHub's workflows, in the common form, and which events that are."""

from __future__ import annotations

from typing import Any

from pipeline_trees.expressions import Unknown
from pipeline_trees.plan import Input, Triggers
from pipeline_trees.scenes import MAIN, PULL, REFS

EVENTS = {"push", "pull_request", "schedule", "workflow_dispatch"}


def triggers(content: dict[Any, Any]) -> Triggers:
    """Return what starts a workflow. Raises Unknown on an event that these tests do not know."""
    on = content[True]  # YAML 1.1 takes the word `on` for true
    if strange := sorted(set(on) - EVENTS):
        raise Unknown(f"on: {strange[0]}: is not known")
    push, pull = on.get("push") or {}, _labelless(on.get("pull_request"))
    cancels = bool((content.get("concurrency") or {}).get("cancel-in-progress"))
    return Triggers(
        branches=frozenset(push.get("branches", ())),
        tags=_patterns(push.get("tags", ())),
        paths=_patterns(push.get("paths", ())),
        pulls=frozenset(pull.get("branches", ())),
        pull_paths=_patterns(pull.get("paths", ())),
        cancels_pulls=bool(pull) and cancels,
        crons=tuple(one["cron"] for one in on.get("schedule", ())),
        is_by_hand="workflow_dispatch" in on,
        inputs={name: _input(one) for name, one in asked(on).items()},
    )


def events(found: Triggers) -> dict[str, tuple[str, ...]]:
    """Return the events that start a pipeline, each with the refs on which they do."""
    pushed = tuple(ref for ref in REFS if _is_pushed(ref, found))
    known = {"push": pushed, "pull_request": (PULL,) if found.pulls else (), "schedule": (MAIN,) if found.crons else ()}
    known["workflow_dispatch"] = (MAIN,) if found.is_by_hand else ()
    return {event: refs for event, refs in known.items() if refs}


def is_labelled(pull: Any) -> bool:
    """Tell whether a trigger on pull requests is that of a label."""
    return bool(pull) and pull.get("types") == ["labeled"]


def asked(on: dict[str, Any]) -> dict[str, Any]:
    """Return what a person is asked for who starts a workflow by hand."""
    return (on.get("workflow_dispatch") or {}).get("inputs") or {}


def _labelless(pull: Any) -> dict[str, Any]:
    """Return a trigger on pull requests; a label's is GitHub's alone, and policy looks at it."""
    return {} if is_labelled(pull) else dict(pull or {})


def _input(one: dict[str, Any]) -> Input:
    kind = "string" if one["type"] == "choice" else one["type"]
    return Input(kind, tuple(one.get("options", ())), one.get("default"))


def _patterns(found: Any) -> frozenset[str]:
    return frozenset(one.removesuffix("/**").removesuffix("/*") for one in found)


def _is_pushed(ref: str, found: Triggers) -> bool:
    if ref.startswith("refs/tags/"):
        return ref.removeprefix("refs/tags/").partition("/")[0] in found.tags
    return ref.removeprefix("refs/heads/") in found.branches
