"""Writes down what the pipelines do, in as few lines as a person can review: equal jobs and equal scenes once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import yaml

from pipeline_trees.files import Files
from pipeline_trees.golden import (
    AZURE_SIDE,
    GITHUB_SIDE,
    GOLDEN,
    HEAD,
    IN,
    OR,
    Side,
    told_job,
    told_scene,
    told_triggers,
)
from pipeline_trees.parity import plain_inputs, scenes_of
from pipeline_trees.plan import Job, Triggers
from pipeline_trees.scenes import Scene

# A line breaks at the first blank after it.
WIDTH = 90
LETTERS = ascii_uppercase + ascii_lowercase
Case = tuple[list[dict[str, Any]], list[Scene]]
Box = dict[str, tuple[str, ...]]


def write_golden(github: Files, azure: Files, name: str) -> None:
    """Write down a pipeline as the systems that are here have it, GitHub's first."""
    both = (GITHUB_SIDE, github), (AZURE_SIDE, azure)
    sides = [(side, files) for side, files in both if f"{side.folder}{name}.yml" in files]
    side, files = sides[0]
    found = side.triggers(files[f"{side.folder}{name}.yml"])
    found = replace(found, inputs=plain_inputs(found))
    cases: list[Case] = []
    for scene in scenes_of(found):
        jobs = list(_told(sides, name, scene))
        same = next((scenes for other, scenes in cases if other == jobs), None)
        if same is None:
            cases.append((jobs, [scene]))
        else:
            same.append(scene)
    GOLDEN.mkdir(exist_ok=True)
    text = yaml.dump(_content(found, cases), Dumper=_Indented, sort_keys=False, width=WIDTH, default_flow_style=False)
    (GOLDEN / f"{name}.yml").write_text(HEAD + text, encoding="utf-8")


def _told(sides: list[tuple[Side, Files]], name: str, scene: Scene) -> Iterator[dict[str, Any]]:
    """Yield the jobs of the first side, with the variables that any of the sides has of its own."""
    plans = [{job.name: job for job in side.plan(files, name, scene) if any(job.when)} for side, files in sides]
    for job in plans[0].values():
        yield told_job(job, {own for plan in plans for own in _of(plan, job.name)})


def _of(plan: dict[str, Job], name: str) -> frozenset[str]:
    return plan[name].own if name in plan else frozenset()


def _content(found: Triggers, cases: list[Case]) -> dict[str, Any]:
    every = [told_scene(scene) for _, scenes in cases for scene in scenes]
    lettered = dict(zip(LETTERS[: len(cases)], cases, strict=True))
    jobs = {letter: {one["job"]: one for one in told} for letter, (told, _) in lettered.items()}
    order = _merged_lists({letter: list(one) for letter, one in jobs.items()})
    return {
        "starts": told_triggers(found),
        "cases": {letter: list(_shortened(scenes, every)) for letter, (_, scenes) in lettered.items()},
        "jobs": [_folded({letter: jobs[letter][name] for letter in letters}) for name, letters in order],
    }


def _folded(by_case: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a job as it is in all cases: what differs by case."""
    first = dict.fromkeys(key for one in by_case.values() for key in one if key not in ("job", "variables", "steps"))
    fields = {key: _by_case({case: one.get(key) for case, one in by_case.items()}) for key in first}
    names = sorted({name for one in by_case.values() for name in one.get("variables", ())})
    variables = {
        name: _by_case({case: one.get("variables", {}).get(name) for case, one in by_case.items()}) for name in names
    }
    merged = _merged_lists({case: one.get("steps", []) for case, one in by_case.items()})
    steps = [step if len(cases) == len(by_case) else f"{step} [in {cases}]" for step, cases in merged]
    told = {"job": next(iter(by_case.values()))["job"], "cases": "".join(by_case), **fields, "variables": variables}
    return {**{key: value for key, value in told.items() if value}, "steps": steps}


def _by_case(values: dict[str, Any]) -> Any:
    found = list(dict.fromkeys(one for one in values.values() if one is not None))
    if len(found) == 1 and None not in values.values():
        return found[0]
    return {IN + "".join(case for case in values if values[case] == one): one for one in found}


def _merged_lists(by_case: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return all cases' lists as one, of which each case's is a part in its order: each item with its cases."""
    merged: list[tuple[str, str]] = []
    for case, items in by_case.items():
        unlike = SequenceMatcher(None, [item for item, _ in merged], items, autojunk=False)
        before, merged = merged, []
        for how, start, end, first, last in unlike.get_opcodes():
            merged += [(item, cases + case * (how == "equal")) for item, cases in before[start:end]]
            merged += [(item, case) for item in items[first:last] if how != "equal"]
    return merged


def _shortened(scenes: list[Scene], every: list[dict[str, str]]) -> Iterator[str]:
    """Yield boxes of scenes: an event, and of each other thing the values; what may be any is not said."""
    boxes = _merged([{key: (value,) for key, value in told_scene(scene).items()} for scene in scenes])
    for box in boxes:
        (event,) = box["event"]
        known = [told for told in every if told["event"] == event]
        free = {key for key, values in box.items() if set(values) == {told[key] for told in known}} - {"event"}
        yield ", ".join(f"{key} {OR.join(values)}" for key, values in box.items() if key not in free)


def _merged(boxes: list[Box]) -> list[Box]:
    """Return the boxes with those that differ in one thing alone made one, until there are none."""
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            unlike = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
            if len(unlike) == 1 and unlike[0] != "event" and unlike[0] in one and unlike[0] in other:
                key = unlike[0]
                both = {**one, key: tuple(dict.fromkeys((*one[key], *other[key])))}
                return _merged([both if box is one else box for box in boxes if box is not other])
    return boxes


class _Indented(yaml.SafeDumper):
    """Lists are set in, as the project's YAML has them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)
