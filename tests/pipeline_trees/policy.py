"""What each system's pipelines must keep to by themselves, whatever the other says: gates, rights, locks.

Sources: docs.github.com, "Secure use reference", "Concurrency"; learn.microsoft.com:
"Define approvals and checks" (exclusive lock), "Secure Azure Pipelines".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from pipeline_trees import azure_plan, github_plan, github_triggers
from pipeline_trees.files import AZURE, WORKFLOWS, Files
from pipeline_trees.github_rules import filled, holds
from pipeline_trees.identities import RIGHTS, azure_identity_problems, github_identity_problems
from pipeline_trees.parity import scenes_of
from pipeline_trees.plan import HOSTED, Job
from pipeline_trees.scenes import Scene

# These let others decide by their result: a branch's rule, or who starts the next release.
GATED = ("build-validation", "release")
RUNNER = f"${{{{ vars.VISIONLINE_RUNNER || '{HOSTED}' }}}}"
TEST = 'test "${PASSED,,}" = true'
# What changes a stage, or what it serves; the job must wait for the people of that stage.
CHANGING = ("mlops promote --stage", "mlops deploy ", "mlops rollback ", "mlops package ")
APPLYING = "make infra-apply "  # by an identity that may do everything, so by an environment of its own
PLANNER = "log in to Azure as plan"
AGREED = '--agreed "runs/infra/$STAGE.sha256"'
TRYING = ("--judge", "--drill")
# What must not be done twice at once.
LOCKED = ("mlops home --pack", "make infra-apply ", "mlops score ", "mlops monitor ")
# What begins something on Azure and waits for its end: it ends that with itself, on a signal.
WAITING = ('mlops train --stage "$STAGE"', "mlops deploy ", "mlops score ")
TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")
Plan = Callable[[Files, str, Scene], tuple[Job, ...]]


def github_problems(files: Files, name: str) -> list[str]:
    """Return what is wrong with a workflow on GitHub, each as a line with its place."""
    path = f"{WORKFLOWS}{name}.yml"
    content = files[path]
    found = github_triggers.triggers(content)
    told = [*_files_problems(files, path, "continue-on-error"), *_workflow_problems(content)]
    seen = list(scenes_of(found))
    told += _plan_problems(files, name, github_plan.plan, seen)
    told += [*_right_problems(files, name, seen), *_lock_problems(name, content)]
    told += github_identity_problems(files, name)
    if github_triggers.is_labelled(content[True].get("pull_request")):
        told += _label_problems(content)
    return [f"{path}: {line}" for line in dict.fromkeys(told)]


def azure_problems(files: Files, name: str) -> list[str]:
    """Return what is wrong with a pipeline on Azure DevOps, each as a line with its place."""
    path = f"{AZURE}/{name}.yml"
    content = files[path]
    told = _files_problems(files, path, "continueOnError")
    seen = list(scenes_of(azure_plan.triggers(content)))
    for scene in seen:
        running = {job.name for job in azure_plan.plan(files, name, scene) if any(job.when)}
        expanded = azure_plan.expanded(files, name, scene)
        told += [*_azure_scene_problems(expanded, scene, running), *azure_identity_problems(expanded)]
    for scene in seen[:1]:
        as_cloned = replace(scene, settings=(*scene.settings, ("VISIONLINE_RUNNER", HOSTED)))
        told += [
            f"{job.name}: runs on {job.runner} where VISIONLINE_RUNNER says {HOSTED}"
            for job in azure_plan.plan(files, name, as_cloned)
            if job.runner != HOSTED
        ]
    told += _plan_problems(files, name, azure_plan.plan, seen)
    return [f"{path}: {line}" for line in dict.fromkeys(told)]


def _files_problems(files: Files, path: str, forbidden: str) -> list[str]:
    """Return where a failure would be passed over: in the pipeline, or in what pipelines share."""
    shared = [one for one in files if "/templates/" in one or "/actions/" in one]
    return [f"{one}: {forbidden}: a failure is no success" for one in (path, *shared) if _has(files[one], forbidden)]


def _has(node: Any, key: str) -> bool:
    if isinstance(node, dict):
        return key in node or any(_has(value, key) for value in node.values())
    return isinstance(node, list) and any(_has(value, key) for value in node)


def _workflow_problems(content: dict[Any, Any]) -> list[str]:
    told = [] if content.get("permissions") == {} else ["permissions: should be {}: each job says what it needs"]
    for name, job in content["jobs"].items():
        if job["runs-on"] not in (HOSTED, RUNNER):
            told.append(
                f"jobs.{name}: runs-on: should be {HOSTED}, or {RUNNER}: one setting for all, and hosted without"
            )
        for step in job["steps"]:
            is_checkout = step.get("uses", "").startswith("actions/checkout@")
            if is_checkout and (step.get("with") or {}).get("persist-credentials") is not False:
                told.append(f"jobs.{name}: the checkout leaves its token behind")
    return told


def _right_problems(files: Files, name: str, seen: list[Scene]) -> list[str]:
    """Return which jobs hold other rights than their steps need, or no lock where they change the shared state."""
    content = files[f"{WORKFLOWS}{name}.yml"]
    needed: dict[str, dict[str, str]] = {}
    locked: set[str] = set()
    for scene in seen:
        for job in github_plan.plan(files, name, scene):
            rights = needed.setdefault(job.name, {})
            rights |= {right: level for step in job.steps for word, right, level in RIGHTS if word in step.what}
            locked |= {job.name for step in job.steps for word in LOCKED if word in step.what}
    told = []
    for job_id, one in content["jobs"].items():
        names = [called for called in needed if called == job_id or called.startswith(f"{job_id}-")]
        wanted = needed[names[0]] if names else {}
        if one.get("permissions") != wanted:
            told.append(f"jobs.{job_id}: permissions are {one.get('permissions')}, and its steps need {wanted}")
        lock = one.get("concurrency") or content.get("concurrency") or {}
        if locked & set(names) and (not lock.get("group") or lock.get("cancel-in-progress") is not False):
            told.append(f"jobs.{job_id}: changes what others change, and holds no lock (concurrency)")
        if lock.get("cancel-in-progress") is False and lock.get("queue") != "max":
            told.append(f"jobs.{job_id}: queue: should be max: else a run that waits is dropped by the next")
    return told


def _lock_problems(name: str, content: dict[Any, Any]) -> Iterator[str]:
    """Yield what lets a way back wait for a release, whose job holds its lock while people are asked.

    Where state goes from job to job there is one lock for all: two jobs' changes would be lost, and nobody is served.
    """
    for job_id, job in content["jobs"].items():
        for platform in ("", "local", "azureml", "own") if "concurrency" in job else ():
            known = {"vars": {"VISIONLINE_PLATFORM": platform}, "inputs": {"stage": "qa"}}
            known["needs"] = {"candidate": {"outputs": {"stage": "qa"}}}
            group = filled(job["concurrency"].get("group"), known)
            if (group == "home") is not (platform in ("", "local")):
                yield f"jobs.{job_id}: concurrency is {group} on the platform '{platform}'"
            if name == "rollback" and group == "release-qa":
                yield f"jobs.{job_id}: waits for a release on the platform '{platform}'"


def _label_problems(content: dict[Any, Any]) -> Iterator[str]:
    """Yield whose labelled pull request would start the workflow though it should not, or not though it should."""
    if content[True]["pull_request"].get("branches") != content[True]["push"].get("branches"):
        yield "pull_request: branches are others than those of a push"
    for name, job in content["jobs"].items():
        pulled = {"github": {"event_name": "pull_request"}}
        if "environment" in job and filled(job["environment"], pulled) != "pull-requests":
            yield f"jobs.{name}: a pull request's code gets an identity that nobody has agreed to"
    first = next(job for job in content["jobs"].values() if "needs" not in job)
    whole = "octo/camera"
    for label, author, repository in product(("train", "bug"), (*TRUSTED, "CONTRIBUTOR"), (whole, "stranger/camera")):
        pull = {"number": 7, "author_association": author, "head": {"repo": {"full_name": repository}}}
        told = {"event_name": "pull_request", "ref_name": "7/merge", "repository": whole}
        event = {"label": {"name": label}, "pull_request": pull}
        settings = {"VISIONLINE_BRANCHES": "branches"} if repository == whole else {}
        names = {"github": {**told, "event": event}, "vars": settings}
        is_trusted = label == "train" and author in TRUSTED and repository == whole
        if holds(first.get("if"), names) != is_trusted:
            yield f"a pull request of {repository} by a {author} with the label {label} is taken the wrong way"


def _azure_scene_problems(content: dict[str, Any], scene: Scene, running: set[str]) -> list[str]:
    units = [(one, one) for one in content.get("jobs", ())]
    units += [(stage, job) for stage in content.get("stages", ()) for job in stage["jobs"]]
    told = []
    for _, job in units:
        where = job["displayName"]
        if "deployment" in job and content.get("lockBehavior") != "sequential":
            told.append(f"{where}: lockBehavior: should be sequential: else a run that waits is dropped by the next")
        known = {
            who for step in azure_plan.steps_of(job) if (who := (step.get("inputs") or {}).get("azureSubscription"))
        }
        if len(known) > 1:
            told.append(f"{where}: is several to Azure: {', '.join(sorted(known))}")
        for step in azure_plan.steps_of(job):
            if step.get("checkout") == "self" and step.get("persistCredentials") is not False:
                told.append(f"{where}: the checkout leaves its token behind")
            if scene.is_fork and where in running and _knows_who(step):
                told.append(f"{where}: gives a token to anybody's code")
    return told


def _knows_who(step: dict[str, Any]) -> bool:
    return "SYSTEM_ACCESSTOKEN" in (step.get("env") or {}) or "azureSubscription" in (step.get("inputs") or {})


def _plan_problems(files: Files, name: str, plan: Plan, seen: list[Scene]) -> list[str]:
    told = [] if seen else ["nothing starts it"]
    for scene in seen:
        jobs = [job for job in plan(files, name, scene) if any(job.when)]
        told += [*_gate_problems(name, jobs, scene), *_stage_problems(jobs), *_fork_problems(jobs, scene)]
        told += [*_unread_problems(jobs), *_pull_problems(jobs, scene), *_runner_problems(name, jobs, scene)]
        told += [f"job {job.name}: has no time limit" for job in jobs if not job.minutes]
        told += [
            f"job {job.name}: {step.what}: a cancelled run's signal ends at the shell: begin it with exec"
            for job in jobs
            for step in job.steps
            if _is_deaf(step.what)
        ]
    return told


def _runner_problems(name: str, jobs: list[Job], scene: Scene) -> Iterator[str]:
    """Yield what would run code that nobody has read on a machine of ours, or not reach a private stage."""
    is_ours = name != "build-validation" and scene.event != "pull_request"
    wanted = dict(scene.settings)["VISIONLINE_RUNNER"] if is_ours else HOSTED
    for job in jobs:
        if job.runner != wanted:
            why = "no other machine reaches a private stage" if is_ours else "a machine of ours runs nobody's code"
            yield f"job {job.name}: runs on {job.runner}, should on {wanted}: {why}"


def _is_deaf(command: str) -> bool:
    waits = any(word in command for word in WAITING) and "--job" not in command
    return waits and not command.startswith("exec ")


def _gate_problems(name: str, jobs: list[Job], scene: Scene) -> Iterator[str]:
    """Yield what lets a pipeline pass though one of its jobs did not."""
    if name not in GATED or not jobs:
        return
    gate = next((job for job in jobs if job.name == "gate"), None)
    if gate is None or TEST not in [step.what for step in gate.steps]:
        yield "has no gate that tests what all jobs came to"
        return
    if set(gate.needs) != {job.name for job in jobs} - {"gate"}:
        yield f"job gate: waits for {', '.join(gate.needs)}, and not for all others"
    if not all(gate.when):
        yield "job gate: does not run after each end of the others: what is skipped counts as passed"
    passed = gate.variables.get("PASSED", ())
    best = str(not _is_unplanned(scene)).lower()
    if list(passed) != [best, *["false"] * (len(passed) - 1)] or len(passed) == 0:
        yield f"job gate: PASSED is not {best} where all have succeeded, and false otherwise"


def _is_unplanned(scene: Scene) -> bool:
    """Tell whether a stranger's pull request changes what Azure holds: nobody has seen a plan, so it may not pass.

    Whatever the platform: on GitHub a fork's pull request is not told which it is.
    """
    return scene.is_fork and dict(scene.said).get("touched.infra") == "true"


def _stage_problems(jobs: list[Job]) -> Iterator[str]:
    """Yield what changes a stage without having waited for its people, or after something before has failed."""
    for job in jobs:
        changes = [step for step in job.steps if _changes(step.what)]
        stages = set(job.variables.get("STAGE", ()))
        if changes and {job.environment} != stages:
            yield f"job {job.name}: changes {', '.join(stages)} and waits for the people of '{job.environment}'"
        applies = any(APPLYING in step.what for step in job.steps)
        if applies and {job.environment} != {f"infra-{stage}" for stage in stages}:
            yield f"job {job.name}: applies infra/ of {', '.join(stages)} in the environment '{job.environment}'"
        if (changes or applies) and any(job.when[1:]):
            yield f"job {job.name}: changes a stage though a job that it needs has not succeeded"


def _unread_problems(jobs: list[Job]) -> Iterator[str]:
    """Yield what applies a plan that nobody has read, or keeps one, with the secrets of the state, for every reader."""
    for job in jobs:
        done = [step.what for step in job.steps]
        for before, step in zip(["", *done], done, strict=False):
            if APPLYING in step and AGREED not in before:
                yield f"job {job.name}: applies what may not be what people have read: compare it by {AGREED} first"
            if step.startswith("keep .plans"):
                yield f"job {job.name}: keeps plans: they hold what is secret in the state"


def _changes(command: str) -> bool:
    return any(word in command for word in CHANGING) and not any(word in command for word in TRYING)


def _fork_problems(jobs: list[Job], scene: Scene) -> Iterator[str]:
    """Yield what a stranger's pull request would be given."""
    if scene.is_fork:
        for job in jobs:
            if job.environment or any(step.what.startswith("log in") for step in job.steps):
                yield f"job {job.name}: gives an identity to a fork's pull request"


def _pull_problems(jobs: list[Job], scene: Scene) -> Iterator[str]:
    """Yield where code that nobody has read yet would be somebody else than who plans."""
    for job in jobs if scene.event == "pull_request" else ():
        for step in job.steps:
            if step.what.startswith("log in to Azure as ") and step.what != PLANNER:
                yield f"job {job.name}: {step.what}: a pull request's code may only plan"
