"""Azure's pipelines in the common form: templates expanded, conditions and variables evaluated for a scene."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline_trees.azure_rules import azure_rules, is_true, variables
from pipeline_trees.azure_templates import expand
from pipeline_trees.expressions import Unknown, evaluate
from pipeline_trees.files import AZURE, KEPT, Files
from pipeline_trees.plan import Input, Job, Step, Triggers, compared_steps, own_variables
from pipeline_trees.scenes import MOMENTS, WORKSPACE, Scene, endings

RESULTS = {"success": "Succeeded", "failure": "Failed", "cancelled": "Canceled", "skipped": "Skipped"}
LISTED = {"branches", "tags", "paths", "autoCancel"}


@dataclass(frozen=True)
class _Known:
    """What stands around a job: the others by name, the pipeline's variables, and who never runs in this scene.

    `before` is the stage that a stage waits for which does not say for what it waits.
    """

    scene: Scene

    called: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
    variables: Mapping[str, str]
    never: list[str]
    before: str | None


def triggers(content: dict[str, Any]) -> Triggers:
    """Return what starts a pipeline. Raises Unknown on what these tests do not know."""
    push, pull = _trigger(content.get("trigger"), "trigger"), _trigger(content.get("pr"), "pr")
    return Triggers(
        branches=_included(push, "branches"),
        tags=_included(push, "tags"),
        paths=_included(push, "paths"),
        pulls=_included(pull, "branches"),
        pull_paths=_included(pull, "paths"),
        cancels_pulls=bool(pull.get("autoCancel")),
        crons=tuple(_cron(one) for one in content.get("schedules", ())),
        # An object is a list that the pipeline goes through: nobody is asked for it.
        inputs={one["name"]: _input(one) for one in content.get("parameters", ()) if one["type"] != "object"},
    )


def digest(files: Files, name: str) -> str:
    """Return all of the files that a plan comes from, as one text, but for the settings' own values."""
    own = f"{AZURE}/{name}.yml"
    return json.dumps([files[path] for path in files if path == own or "/templates/" in path], default=str)


def expanded(files: Files, name: str, scene: Scene) -> dict[str, Any]:
    """Return a pipeline as a scene expands it."""
    return expand(files, f"{AZURE}/{name}.yml", dict(scene.inputs), scene.system, dict(scene.settings))


@lru_cache(maxsize=KEPT)
def plan(files: Files, name: str, scene: Scene) -> tuple[Job, ...]:
    """Return the jobs of a pipeline in a scene. Raises Unknown, with the place, on what these tests do not know."""
    content = expanded(files, name, scene)
    known = {**scene.system, **content["variables"]}
    if "jobs" in content:
        units = [(one, one) for one in content["jobs"]]
    else:
        units = [(stage, _only(stage)) for stage in content["stages"]]
    called = {unit.get("stage") or unit["job"]: (unit, job) for unit, job in units}
    result: list[Job] = []
    for (unit, job), before in zip(units, [None, *called], strict=False):
        never = [one.name for one in result if not any(one.when)]
        try:
            result.append(_job(unit, job, _Known(scene, called, known, never, before if "stage" in unit else None)))
        except Unknown as error:
            raise Unknown(f"{AZURE}/{name}.yml: {job['displayName']}: {error}") from None
    return tuple(result)


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a job, or of a deployment that runs once."""
    return list(job["steps"] if "steps" in job else job["strategy"]["runOnce"]["deploy"]["steps"])


def job_variables(job: dict[str, Any], names: Mapping[str, Any]) -> dict[str, str]:
    """Return a job's own variables; `$[ ]` is evaluated over the names."""
    return {name: _runtime(str(value), names) for name, value in (job.get("variables") or {}).items()}


def _only(stage: dict[str, Any]) -> dict[str, Any]:
    if len(stage["jobs"]) != 1:
        raise Unknown(f"stage {stage['stage']}: has {len(stage['jobs'])} jobs; one is known")
    return dict(stage["jobs"][0])


def _job(unit: dict[str, Any], job: dict[str, Any], around: _Known) -> Job:
    needs = _needs(unit, around.before)
    if missing := sorted(set(needs) - set(around.called)):
        raise Unknown(f"dependsOn: there is no {missing[0]}")
    known, shown = around.variables, {need: _shown(around.called[need][1]) for need in needs}
    own: dict[str, list[str]] = {}
    when = []
    for ends in endings(shown.values(), around.never):
        results = {need: ends[shown[need]] for need in needs}
        names = {"variables": variables(known), **_before(results, around, "stage" in unit)}
        when.append(_holds(unit.get("condition"), names, _all(results)))
        for key, value in {**known, **job_variables(job, names)}.items():
            own.setdefault(key, []).append(value.replace("$(Build.SourcesDirectory)", WORKSPACE))
    first = {key: values[0] for key, values in own.items()}
    seen = [{"variables": variables(first, moment.output)} for moment in MOMENTS]
    steps = compared_steps([_step(step, seen) for step in steps_of(job)])
    told = {key: tuple(values) for key, values in own.items()}
    asked = own_variables(steps, job.get("variables") or {})
    environment = job.get("environment", "") if "deployment" in job else ""
    needed = tuple(sorted(set(shown.values()) - set(around.never)))
    minutes, runner = job.get("timeoutInMinutes", 0), _runner(job.get("pool") or {})
    return Job(_shown(job), needed, tuple(when), environment, minutes, told, asked, steps, runner)


def _runner(pool: dict[str, str]) -> str:
    return str(pool.get("vmImage") or pool.get("name"))


def _shown(job: dict[str, Any]) -> str:
    """Return a job's name as GitHub writes it: a stage's own name may hold no hyphen."""
    return str(job["displayName"]).replace("_", "-")


def _needs(unit: dict[str, Any], before: str | None) -> tuple[str, ...]:
    asked = unit.get("dependsOn", [before] if before else [])
    if asked is None:
        raise Unknown("dependsOn: is nothing: write [] where nothing is waited for")
    return (asked,) if isinstance(asked, str) else tuple(asked)


def _all(results: Mapping[str, str]) -> str:
    return next((end for end in results.values() if end != "success"), "success")


def _before(results: Mapping[str, str], around: _Known, has_stages: bool) -> dict[str, Any]:
    """Return what is known of the jobs before: `dependencies` of the same level, `stageDependencies` of stages."""

    def dependency(need: str) -> dict[str, Any]:
        if need not in results:
            raise Unknown(f"'{need}' is asked for its result and is not in dependsOn")
        return {"result": RESULTS[results[need]], "outputs": _outputs(around.called[need][1], around.scene)}

    if has_stages:
        return {"stageDependencies": lambda need: lambda job: _of_stage(dependency(need), around.called[need][1], job)}
    return {"dependencies": dependency}


def _of_stage(found: dict[str, Any], job: dict[str, Any], asked: str) -> dict[str, Any]:
    if asked != (job.get("job") or job.get("deployment")):
        raise Unknown(f"'{asked}' is no job of that stage")
    return found


def _outputs(job: dict[str, Any], scene: Scene) -> Callable[[str], str]:
    """Return the outputs of a job, told by the step and the name; a deployment's bear the job's name before."""
    named = {step["name"] for step in steps_of(job) if "name" in step}

    def look_up(key: str) -> str:
        name = key.removeprefix(f"{job['deployment']}.") if "deployment" in job else key
        if name.partition(".")[0] not in named or ("deployment" in job and name == key):
            raise Unknown(f"no step of {job['displayName']} puts out '{key}'")
        return scene.output(_shown(job), name)

    return look_up


def _holds(condition: str | None, names: Mapping[str, Any], status: str) -> bool:
    if condition in (None, "succeeded()"):
        return status == "success"
    return is_true(evaluate(condition or "", azure_rules(names, states(status))))


def states(status: str) -> dict[str, bool]:
    """Return the answers of the status functions after this end."""
    return {
        "succeeded": status == "success",
        "failed": status == "failure",
        "always": True,
        "succeededorfailed": status in ("success", "failure"),
    }


def _runtime(value: str, names: Mapping[str, Any]) -> str:
    text = value.strip()
    if not text.startswith("$["):
        return value
    found = evaluate(text.removeprefix("$[").removesuffix("]"), azure_rules(names))
    return str(found).lower() if isinstance(found, bool) else str(found or "")


def _step(step: dict[str, Any], seen: list[dict[str, Any]]) -> Step:
    when = (_holds(step.get("condition"), names, moment.status) for names, moment in zip(seen, MOMENTS, strict=True))
    return Step(_what(step), tuple(when), step.get("name", ""))


def _what(step: dict[str, Any]) -> str:
    if step.get("download") == "none" or step.get("checkout") == "none":
        return ""
    if "bash" in step:
        return str(step["bash"]).strip()
    if "checkout" in step:
        depth = step.get("fetchDepth", 1)
        return "check out " + ("all commits" if depth == 0 else f"{depth} commit")
    if step.get("task") not in TASKS:
        raise Unknown(f"{sorted(step)[0]} {step.get('task', '')} is not known")
    return TASKS[step["task"]](step["inputs"])


def _fetched(inputs: dict[str, Any]) -> str:
    if inputs["downloadPath"] != "$(Build.SourcesDirectory)":
        raise Unknown(f"downloadPath {inputs['downloadPath']} is not known")
    whose = "this run" if inputs["buildType"] == "current" else inputs["buildId"].strip("$()")
    return f"fetch {inputs['artifactName']} of {whose} into {inputs['artifactName'].partition('-')[0]}"


def _with_az(inputs: dict[str, Any]) -> str:
    """Return the command that is run with az logged in; where it only says who we are, that."""
    script = str(inputs["inlineScript"]).strip()
    return (
        f"log in to Azure as {inputs['azureSubscription'].removeprefix('visionline-')}" if "##vso" in script else script
    )


TASKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "UsePythonVersion@0": lambda inputs: f"Python {inputs['versionSpec']}",
    "AzureCLI@2": lambda inputs: _with_az(inputs),
    "PublishBuildArtifacts@1": lambda inputs: f"keep {inputs['PathtoPublish']} as {inputs['ArtifactName']}",
    "DownloadBuildArtifacts@1": _fetched,
}


def _trigger(found: Any, key: str) -> dict[str, Any]:
    if found == "none":
        return {}
    if found is None:
        raise Unknown(f"{key}: is missing: without it each push starts the pipeline")
    if strange := sorted(set(found) - LISTED):
        raise Unknown(f"trigger: {strange[0]} is not known")
    return dict(found)


def _included(found: dict[str, Any], key: str) -> frozenset[str]:
    listed = found.get(key) or {}
    if strange := sorted(set(listed) - {"include"}):
        raise Unknown(f"trigger: {key}.{strange[0]} is not known")
    return frozenset(one.removesuffix("/*") for one in listed.get("include", ()))


def _cron(one: dict[str, Any]) -> str:
    if one.get("branches") != {"include": ["main"]} or one.get("always") is not True:
        raise Unknown(f"schedule {one['cron']}: should be main's, and start whether anything changed or not")
    return str(one["cron"])


def _input(one: dict[str, Any]) -> Input:
    values = tuple(one.get("values", ()))
    return Input(one["type"], values, one.get("default"))
