"""GitHub's workflows in the common form: composite actions opened, matrices laid out, all evaluated for a scene.

Source of what is quoted: docs.github.com, "Variables".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlops.names import STAGES

from pipeline_trees.expressions import Unknown
from pipeline_trees.files import KEPT, WORKFLOWS, Files
from pipeline_trees.github_triggers import asked
from pipeline_trees.github_rules import as_text, filled, holds, members
from pipeline_trees.plan import IDENTITY_ONLY, Job, Step, compared_steps, own_variables
from pipeline_trees.scenes import MOMENTS, WORKSPACE, Moment, Scene, endings

STAGE_SUFFIX = re.compile(rf"-({'|'.join(STAGES)})$")
PLANS: dict[tuple[str, str, Scene], tuple[Job, ...]] = {}
UNPLANNED = ("permissions", "concurrency", "continue-on-error")
# The variables that a repository and its environments hold, and nothing else may be read.
SETTINGS = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")


@dataclass(frozen=True)
class Place:
    """Where a step stands: the contexts there, the files, and the environment that the job waits for."""

    files: Files
    names: Mapping[str, Any]
    environment: str


@dataclass(frozen=True)
class _Called:
    """A job, or a copy of it that a matrix makes: its name, what it needs, and what never runs in this scene."""

    job: str
    name: str
    needs: tuple[str, ...]
    never: list[str]
    matrix: Mapping[str, str]

    @property
    def needed(self) -> tuple[str, ...]:
        """Return those needed jobs that can run."""
        return tuple(sorted(set(self.needs) - set(self.never)))


def plan(files: Files, name: str, scene: Scene) -> tuple[Job, ...]:
    """Return the jobs of a workflow in a scene. Raises Unknown, with the place, on what these tests do not know."""
    key = digest(files, name), name, scene
    if key not in PLANS:
        PLANS[key] = _plan(files, name, scene)
    return PLANS[key]


@lru_cache(maxsize=KEPT)
def digest(files: Files, name: str) -> str:
    """Return all of the files that a plan comes from, as one text: trees that differ elsewhere share their plans."""
    content = files[f"{WORKFLOWS}{name}.yml"]
    jobs = {job: {key: one[key] for key in one if key not in UNPLANNED} for job, one in content["jobs"].items()}
    return json.dumps(
        [content.get("env"), content[True], jobs, [files[path] for path in files if "/actions/" in path]], default=str
    )


def _plan(files: Files, name: str, scene: Scene) -> tuple[Job, ...]:
    content = files[f"{WORKFLOWS}{name}.yml"]
    jobs = {job: found for job, one in content["jobs"].items() for found in [list(_laid_out(job, one))]}
    result: list[Job] = []
    for job, called, matrix, before in ((job, *copy) for job, copies in jobs.items() for copy in copies):
        needed = [copy[0] for need in _list(content["jobs"][job].get("needs")) for copy in jobs[need]]
        needs = before or tuple(needed)  # the copy before has waited for what all copies need
        try:
            never = [one.name for one in result if not any(one.when)]
            result.append(_job(files, content, _Called(job, called, needs, never, matrix), scene))
        except Unknown as error:
            raise Unknown(f"{WORKFLOWS}{name}.yml: jobs.{job}: {error}") from None
    return tuple(result)


def _laid_out(job: str, one: dict[str, Any]) -> Iterator[tuple[str, dict[str, str], tuple[str, ...]]]:
    """Yield a job's copies: the name, the matrix's values, and which copy goes before it."""
    strategy = one.get("strategy")
    if not strategy:
        yield job, {}, ()
        return
    is_one_by_one = strategy.get("max-parallel") == 1
    # One after the other the first failure ends it; side by side no copy's failure touches the others.
    if len(strategy["matrix"]) != 1 or strategy.get("fail-fast", True) != is_one_by_one:
        raise Unknown(f"jobs.{job}.strategy: is not known: name fail-fast or max-parallel")
    ((key, values),) = strategy["matrix"].items()
    for value, before in zip(values, [None, *values], strict=False):
        yield f"{job}-{value}", {key: value}, (f"{job}-{before}",) if is_one_by_one and before else ()


def _job(files: Files, content: dict[Any, Any], called: _Called, scene: Scene) -> Job:
    one = content["jobs"][called.job]
    base = {**_base(content, scene), "matrix": members(called.matrix, "the matrix")}
    environment = ""
    variables: dict[str, list[str]] = {}
    when = []
    for ends in endings(called.needs, called.never):
        names = {**base, "needs": members(_needs(content, called.job, ends, base, scene), "needs")}
        environment = environment or as_text(filled(one.get("environment"), names))
        status = "success" if set(ends.values()) <= {"success"} else _worst(ends)
        when.append(holds(one.get("if"), names, status))
        for key, value in _environment(content, one, names).items():
            variables.setdefault(key, []).append(value)
    env = {key: values[0] for key, values in variables.items()}
    place = Place(files, {**base, "env": lambda key: env.get(key)}, environment)
    steps = compared_steps([step for each in one["steps"] for step in _steps(each, place, one["steps"], MOMENTS)])
    told = {key: tuple(values) for key, values in variables.items()}
    own = own_variables(steps, variables)
    waits_for = "" if environment in IDENTITY_ONLY else environment
    runner, minutes = as_text(filled(one["runs-on"], base)), one.get("timeout-minutes", 0)
    return Job(called.name, called.needed, tuple(when), waits_for, minutes, told, own, steps, runner)


def _worst(ends: Mapping[str, str]) -> str:
    return next(end for end in ends.values() if end != "success")


def _base(content: dict[Any, Any], scene: Scene) -> dict[str, Any]:
    """Return the contexts that do not change within a scene."""
    given = {name: dict(scene.inputs).get(name) for name in asked(content[True])}
    owner = {name: "" if dict(scene.settings)["VISIONLINE_PLATFORM"] == "local" else "one" for name in SETTINGS}
    short = scene.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    kind = "tag" if scene.ref.startswith("refs/tags/") else "branch"
    whose = {"repo": {"full_name": "stranger/camera" if scene.is_fork else "octo/camera"}}
    pull = {"number": 7, "author_association": "MEMBER", "head": whose} if scene.event == "pull_request" else None
    event = {"pull_request": pull, "label": None}
    told = {
        "event_name": scene.event,
        "event": members(event, "github.event"),
        "ref": scene.ref,
        "ref_name": short,
        "ref_type": kind,
        "repository": "octo/camera",
        "run_id": "34",
        "token": "token",
        "workspace": WORKSPACE,
    }
    settings = {**owner, **dict(scene.settings)}
    if scene.is_fork:  # "They are not passed to workflows that are triggered by a pull request from a fork."
        settings = dict.fromkeys(settings, "")
    return {
        "github": members(told, "github"),
        "inputs": members(given, "inputs"),
        "vars": members(settings, "vars"),
    }


def _needs(
    content: dict[Any, Any], job: str, ends: Mapping[str, str], base: dict[str, Any], scene: Scene
) -> dict[str, Any]:
    """Return the context of the needed jobs; an output is told by the step and the name it comes from."""
    found = {}
    for need in _list(content["jobs"][job].get("needs")):
        one = content["jobs"][need]
        told = {name: _source(text, need, content, base, scene) for name, text in one.get("outputs", {}).items()}
        found[need] = {"result": ends.get(need), "outputs": members(told, f"needs.{need}.outputs")}
    return found


def _source(text: str, job: str, content: dict[Any, Any], base: dict[str, Any], scene: Scene) -> str:
    one, outer = content["jobs"][job], {key: filled(value, base) for key, value in (content.get("env") or {}).items()}
    ids = {step["id"]: {"outputs": _Outputs(job, step["id"], scene)} for step in one["steps"] if "id" in step}
    return as_text(filled(text, {**base, "env": members(outer, "env"), "steps": members(ids, "steps")}))


@dataclass(frozen=True)
class _Outputs:
    """A step's outputs, each told by where it comes from, or as the scene says."""

    job: str
    step: str
    scene: Scene

    def __call__(self, name: str) -> str:
        return self.scene.output(self.job, f"{self.step}.{name}")


def _environment(content: dict[Any, Any], one: dict[str, Any], names: dict[str, Any]) -> dict[str, str]:
    outer = {key: as_text(filled(value, names)) for key, value in (content.get("env") or {}).items()}
    inner = {key: as_text(filled(value, names)) for key, value in (one.get("env") or {}).items()}
    return {**outer, **inner}


def _steps(step: dict[str, Any], place: Place, among: list[dict[str, Any]], moments: Any) -> Iterator[Step]:
    when = tuple(_holds(step, place, among, moment) for moment in moments)
    uses = step.get("uses", "")
    if not uses.startswith("./"):
        yield Step(_what(step, place), when, step.get("id", ""))
        return
    action = place.files[f"{uses.removeprefix('./')}/action.yml"]
    given = step.get("with") or {}
    if strange := sorted(set(given) - set(action["inputs"])):
        raise Unknown(f"{uses} has no input '{strange[0]}'")
    values = {name: given.get(name, one.get("default")) for name, one in action["inputs"].items()}
    inner = Place(place.files, {**place.names, "inputs": members(values, uses)}, place.environment)
    body = action["runs"]["steps"]
    # Inside an action the status is that of the action's own steps: success() holds at its beginning.
    started = [Moment("success" if runs else "skipped", moment.output) for runs, moment in zip(when, moments)]
    for one in body:
        yield from _steps(one, inner, body, started)


def _holds(step: dict[str, Any], place: Place, among: list[dict[str, Any]], moment: Moment) -> bool:
    """Tell whether a step runs; one of its neighbours that never does puts nothing out."""
    if moment.status == "skipped" or "if" not in step:
        return moment.status == "success"
    outputs: dict[str, Any] = {}
    names = {**place.names, "steps": members(outputs, "steps")}
    for one in among[: among.index(step)]:
        if "id" in one:
            outputs[one["id"]] = {"outputs": _constant(moment.output if holds(one.get("if"), names) else "")}
    return holds(step.get("if"), names, moment.status)


def _constant(value: str) -> Callable[[str], str]:
    return lambda name: value


def _what(step: dict[str, Any], place: Place) -> str:
    if "run" in step:
        return str(step["run"]).strip()
    action, given = step["uses"].partition("@")[0], step.get("with") or {}
    names = {**place.names, "steps": lambda step: {"outputs": lambda name: f"{step}.{name}"}}
    value = {key: filled(one, names) for key, one in given.items()}
    if action not in ACTIONS:
        raise Unknown(f"the action {action} is not known")
    return ACTIONS[action](value, place)


def _fetched(value: dict[str, Any], place: Place) -> str:
    return f"fetch {_artifact(value['name'])} of {value.get('run-id', 'this run')} into {value['path']}"


def _artifact(name: str) -> str:
    """Return an artifact's name without the stage: Azure adds to one artifact what GitHub keeps as several."""
    return STAGE_SUFFIX.sub("", name)


ACTIONS = {
    "actions/checkout": lambda value, place: f"check out {_depth(value.get('fetch-depth', 1))}",
    "actions/setup-python": lambda value, place: f"Python {value['python-version']}",
    "actions/upload-artifact": lambda value, place: f"keep {value['path']} as {_artifact(value['name'])}",
    "actions/download-artifact": _fetched,
    "azure/login": lambda value, place: f"log in to Azure as {place.environment or 'read'}",
}


def _depth(number: int) -> str:
    return "all commits" if int(number) == 0 else f"{number} commit"


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
