"""Whether both systems do the same: each difference as a line that names the pipeline's files, the job and the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import zip_longest
from typing import Any

from pipeline_trees import azure_plan, github_plan, github_triggers
from pipeline_trees.files import AZURE, WORKFLOWS, Files
from pipeline_trees.plan import Input, Job, Step, Triggers
from pipeline_trees.scenes import Scene, scenes

# By hand Azure asks on a push, too, and needs a default then: the branch's.
OF_THE_BRANCH = "of the branch"


def differences(github: Files, azure: Files, name: str) -> list[str]:
    """Return how a pipeline of the one system differs from the other's; nothing where both do the same.

    Raises Unknown on what these tests do not know how to read.
    """
    ours, theirs = f"{WORKFLOWS}{name}.yml", f"{AZURE}/{name}.yml"
    if missing := [path for path, files in ((ours, github), (theirs, azure)) if path not in files]:
        return [f"{missing[0]}: is missing: the other system has the pipeline {name}"]
    triggered = github_triggers.triggers(github[ours]), azure_plan.triggers(azure[theirs])
    found = list(_trigger_differences(*triggered))
    if not found:
        for scene in scenes_of(triggered[0]):
            plans = github_plan.plan(github, name, scene), azure_plan.plan(azure, name, scene)
            if found := list(_plan_differences(*plans)):
                found = [f"{line} ({scene})" for line in found]
                break
    return [f"{ours} and {theirs}: {line}" for line in found]


def scenes_of(found: Triggers) -> Iterator[Scene]:
    """Yield the scenes in which a pipeline starts."""
    choices = {name: _choices(one) for name, one in found.inputs.items()}
    return scenes(github_triggers.events(found), choices)


def _choices(one: Input) -> tuple[Any, ...]:
    if one.type == "boolean":
        return (True, False)
    return one.values or tuple(dict.fromkeys(("some words", *([one.default] if one.default else []))))


def _trigger_differences(ours: Triggers, theirs: Triggers) -> Iterator[str]:
    for field in fields(Triggers):
        pair = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name == "inputs":
            pair = plain_inputs(ours), plain_inputs(theirs)
        # Whoever may start a pipeline on Azure may do so by hand, with nothing said in YAML.
        if field.name != "is_by_hand" and pair[0] != pair[1]:
            yield f"{field.name} {_plain(pair[0])} on GitHub, {_plain(pair[1])} on Azure"


def plain_inputs(found: Triggers) -> dict[str, Input]:
    """Return what a person is asked for, without what only Azure asks."""
    return {name: _without_branch(one) for name, one in found.inputs.items()}


def _without_branch(one: Input) -> Input:
    values = tuple(value for value in one.values if value != OF_THE_BRANCH)
    return Input(one.type, values, None if one.default == OF_THE_BRANCH else one.default)


def _plan_differences(ours: tuple[Job, ...], theirs: tuple[Job, ...]) -> Iterator[str]:
    ours, theirs = (tuple(job for job in side if any(job.when)) for side in (ours, theirs))
    names = [job.name for job in ours], [job.name for job in theirs]
    if names[0] != names[1]:
        yield f"jobs {_plain(names[0])} on GitHub, {_plain(names[1])} on Azure"
        return
    for one, other in zip(ours, theirs, strict=True):
        yield from (f"job {one.name}: {line}" for line in _job_differences(one, other))


def _job_differences(ours: Job, theirs: Job) -> Iterator[str]:
    for name in ("needs", "when", "environment", "minutes", "runner"):
        pair = getattr(ours, name), getattr(theirs, name)
        if pair[0] != pair[1]:
            yield f"{name} {_plain(pair[0])} on GitHub, {_plain(pair[1])} on Azure"
    for name in sorted(ours.own | theirs.own):
        values = ours.variables.get(name), theirs.variables.get(name)
        if values[0] != values[1] or values[0] is None:
            yield f"{name} is {values[0]} on GitHub, {values[1]} on Azure"
    for number, (one, other) in enumerate(zip_longest(ours.steps, theirs.steps), 1):
        if one != other:
            yield f"step {number}: {_told(one, other)} on GitHub, {_told(other, one)} on Azure"
            return


def _told(step: Step | None, other: Step | None) -> str:
    if step is None:
        return "nothing"
    if other is None or step.what != other.what:
        return f"`{step.what}`"
    how = f"named '{step.name}'" if step.when == other.when else "".join("-x"[one] for one in step.when)
    return f"`{step.what}` {how}"


def _plain(value: Any) -> str:
    return str(sorted(value)) if isinstance(value, frozenset) else str(value)
