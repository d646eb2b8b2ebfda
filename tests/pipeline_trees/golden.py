"""Each pipeline as it is meant, in tests/pipeline_trees/golden: what starts it, and its jobs and steps in each scene.

Either system's pipelines are compared with it, whether the other's are there or not. To write the files anew after a
change that was meant: `VISIONLINE_WRITE_GOLDEN=1`, and look at the difference. The tests fail in that run, so that no
pipeline can pass by writing what it should check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from pipeline_trees import azure_plan, github_plan, github_triggers
from pipeline_trees.files import AZURE, ROOT, WORKFLOWS, Files
from pipeline_trees.parity import plain_inputs, scenes_of
from pipeline_trees.plan import Input, Job, Step, Triggers
from pipeline_trees.scenes import ENDS, MOMENTS, Scene

GOLDEN = Path(__file__).with_name("golden")
SHOWN = GOLDEN.relative_to(ROOT)
WRITE = "VISIONLINE_WRITE_GOLDEN"
HEAD = (
    "# What this pipeline does on either system. A case is a letter for the scenes that have one plan. Where cases\n"
    f"# differ, `in` says which. Written by the tests that compare it, with {WRITE}=1.\n"
)
IN, OR, LISTED = "in ", "|", re.compile(r" \[in ([a-zA-Z]+)\]$")
ALWAYS = "always"
MOMENT_NAMES = tuple(f"{moment.status}, {moment.output or 'nothing'}" for moment in MOMENTS)


@dataclass(frozen=True)
class Side:
    """One system's way to write a pipeline: its file, and how that is read."""

    system: str
    folder: str
    triggers: Callable[[dict[Any, Any]], Triggers]
    plan: Callable[[Files, str, Scene], tuple[Job, ...]]
    digest: Callable[[Files, str], str]


GITHUB_SIDE = Side("GitHub", WORKFLOWS, github_triggers.triggers, github_plan.plan, github_plan.digest)
AZURE_SIDE = Side("Azure", f"{AZURE}/", azure_plan.triggers, azure_plan.plan, azure_plan.digest)


def read_golden(name: str) -> dict[str, Any]:
    """Return what is written down of a pipeline; nothing where nothing is."""
    return _read(GOLDEN / f"{name}.yml")


@cache
def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text("utf-8"))) if file.exists() else {}


def golden_differences(side: Side, files: Files, name: str) -> list[str]:
    """Return how a pipeline of one system differs from what is written down: the first scene that does.

    Raises Unknown on what these tests do not know how to read.
    """
    path, wanted = f"{side.folder}{name}.yml", read_golden(name)
    if not wanted or path not in files:
        missing = path if wanted else f"{SHOWN}/{name}.yml"
        return [
            f"{missing}: is missing: there is {SHOWN}/{name}.yml" if wanted else f"{missing}: is missing: {WRITE}=1"
        ]
    found = side.triggers(files[path])
    if side is AZURE_SIDE:  # whoever may start a pipeline there may do so by hand, with nothing said in YAML
        found = replace(found, is_by_hand=wanted["starts"]["is_by_hand"], inputs=plain_inputs(found))
    told = list(_unlike(wanted["starts"], told_triggers(found))) or _scene_differences(side, files, name, found)
    return [f"{path}: {line}: see {SHOWN}/{name}.yml" for line in told]


def _scene_differences(side: Side, files: Files, name: str, found: Triggers) -> list[str]:
    wanted = read_golden(name)
    texts = f"{side.digest(files, name)} {wanted}"
    # A setting that is named nowhere makes no scenes of its own.
    different = {_as_named(scene, texts): scene for scene in scenes_of(found)}
    for scene in different.values():
        cases = [case for case, listed in wanted["cases"].items() if any(_is_in(scene, one) for one in listed)]
        if len(cases) != 1:
            return [f"{len(cases)} cases are written down for {scene}"]
        jobs = [_unfolded(job, cases[0]) for job in wanted["jobs"] if cases[0] in job["cases"]]
        running = [job for job in side.plan(files, name, scene) if any(job.when)]
        if told := list(_plan_differences(jobs, running)):
            return [f"{line} ({scene})" for line in told]
    return []


def _as_named(scene: Scene, texts: str) -> Scene:
    """Return a scene without those settings and outputs whose names stand nowhere in the texts."""
    settings, said = (
        tuple(pair for pair in pairs if pair[0].partition(".")[0] in texts) for pairs in (scene.settings, scene.said)
    )
    return replace(scene, settings=settings, said=said)


def _plan_differences(wanted: list[dict[str, Any]], running: list[Job]) -> Iterator[str]:
    names = [job["job"] for job in wanted], [job.name for job in running]
    if names[0] != names[1]:
        yield f"jobs {', '.join(names[1])} instead of {', '.join(names[0])}"
        return
    for one, job in zip(wanted, running, strict=True):
        other = told_job(job, {*one.get("variables", ()), *job.own})
        yield from (f"job {job.name}: {line}" for line in _unlike(one, other))


def _unfolded(job: dict[str, Any], case: str) -> dict[str, Any]:
    """Return a job as it is in one case."""
    told = {key: _in_case(value, case) for key, value in job.items() if key not in ("cases", "variables", "steps")}
    told["variables"] = {key: _in_case(value, case) for key, value in job.get("variables", {}).items()}
    told["variables"] = {key: value for key, value in told["variables"].items() if value is not None}
    listed = [(step, LISTED.search(step)) for step in job["steps"]]
    told["steps"] = [LISTED.sub("", step) for step, found in listed if not found or case in found.group(1)]
    return {key: value for key, value in told.items() if value}


def _in_case(value: Any, case: str) -> Any:
    if not isinstance(value, dict):
        return value
    return next((one for key, one in value.items() if case in key.removeprefix(IN)), None)


def _unlike(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*wanted, *found}):
        pair = wanted.get(key), found.get(key)
        if pair[0] != pair[1] and key == "steps":
            yield from list(_steps_unlike(*(one or [] for one in pair)))[:1]
        elif pair[0] != pair[1]:
            yield f"{key} {pair[1]} instead of {pair[0]}"


def _steps_unlike(wanted: list[str], found: list[str]) -> Iterator[str]:
    for number, (one, other) in enumerate(zip_longest(wanted, found), 1):
        if one != other:
            yield f"step {number}: `{other or 'nothing'}` instead of `{one or 'nothing'}`"


def told_triggers(found: Triggers) -> dict[str, Any]:
    """Return what starts a pipeline, as it is written down."""
    told = {field.name: _plain(getattr(found, field.name)) for field in fields(Triggers) if field.name != "inputs"}
    inputs = {name: _told_input(one) for name, one in plain_inputs(found).items()}
    return {key: value for key, value in {**told, "inputs": inputs}.items() if value or key == "is_by_hand"}


def _told_input(one: Input) -> dict[str, Any]:
    told = {"type": one.type, "values": ", ".join(one.values) or None, "default": one.default}
    return {key: value for key, value in told.items() if value is not None}


def told_job(job: Job, names: Iterable[str]) -> dict[str, Any]:
    """Return a job as it is written down, with these variables."""
    ends = [f"{need} {end}" for need in job.needs for end in ENDS[1:]]
    told = {
        "job": job.name,
        "needs": ", ".join(job.needs),
        "when": _when(job.when, ("success", *ends), 1),
        "environment": job.environment,
        "minutes": job.minutes,
        "runner": job.runner,
        "variables": {name: _value(job.variables.get(name), ("success", *ends)) for name in sorted(names)},
        "steps": [_step(step) for step in job.steps],
    }
    return {key: value for key, value in told.items() if value}


def _step(step: Step) -> str:
    when = _when(step.when, MOMENT_NAMES, 3)
    notes = [f"[{note}]" for note in (when, step.name and f"named {step.name}") if note]
    return " ".join([step.what, *notes])


def _when(when: tuple[bool, ...], names: tuple[str, ...], well: int) -> str:
    """Return at which ends something runs: nothing where at the usual ones, which are the first."""
    if len(when) != len(names):
        raise ValueError(f"{len(when)} ends are known by {len(names)} names")
    if all(when):
        return ALWAYS if len(when) > well else ""
    if when == tuple(number < well for number in range(len(when))):
        return ""
    return "after " + "; ".join(name for name, runs in zip(names, when, strict=True) if runs)


def _value(values: tuple[str, ...] | None, names: tuple[str, ...]) -> str | None:
    """Return a variable's value, or its values and after which ends it has them."""
    if values is None or len(set(values)) == 1:
        return None if values is None else values[0]
    most = max(sorted(set(values)), key=values.count)
    rarer = [f"{one} after {name}" for name, one in zip(names, values, strict=True) if one != most]
    return "; ".join([*rarer, f"else {most}"])


def _is_in(scene: Scene, box: str) -> bool:
    told, asked = told_scene(scene), [one.partition(" ") for one in box.split(", ")]
    return all(told.get(key, "") in values.split(OR) for key, _, values in asked)


def told_scene(scene: Scene) -> dict[str, str]:
    """Return a scene as words by what they are about."""
    told = {"event": scene.event, "ref": scene.ref, **dict(scene.settings), **dict(scene.inputs), **dict(scene.said)}
    return {key: str(value) for key, value in {**told, "is_fork": scene.is_fork}.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    return ", ".join(value) if isinstance(value, tuple) else value
