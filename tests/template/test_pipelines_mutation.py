"""Each gate of the pipelines is missed where it is taken away: by what is written down of them, or by policy.

That holds for each system by itself: who keeps one deletes the other's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from pipeline_trees import github_plan
from pipeline_trees.expressions import Unknown
from pipeline_trees.files import AZURE, GITHUB, ROOT, WORKFLOWS, Files, changed, names, read_tree
from pipeline_trees.golden import AZURE_SIDE, GITHUB_SIDE, golden_differences
from pipeline_trees.identities import github_identity_problems
from pipeline_trees.mutants import AZURE_GATES, GITHUB_GATES, Mutant, mutants
from pipeline_trees.policy import RUNNER, azure_problems, github_problems
from pipeline_trees.scenes import PULL, SETTINGS, Scene

OURS, THEIRS = read_tree(GITHUB), read_tree(AZURE)
LISTED = names(OURS, Files()), names(Files(), THEIRS)
# What changes nothing where it is taken away: the place, how its condition begins then, and why.
SAME = [
    ("home/action.yml:runs.steps.1.if", "as (steps['newest']", "newest runs only where something is fetched"),
    ("home/action.yml:runs.steps.2.if", "as (steps['newest']", "newest runs only where something is fetched"),
    ("setup/action.yml:runs.steps.2.if", "as (env[", "each job on Azure ML installs ci"),
    ("setup/action.yml:runs.steps.6.if", "as ", "each job on Azure ML installs something and has an identity"),
    (
        "train.yml:jobs.preflight.if",
        "as ((((github['event_name'] == 'schedule')",
        "a pull request's ref is no branch's",
    ),
    ("release.yml:stages.2.parameters.condition", "as or(eq(", "without a status function all ends are taken"),
    (
        "build-validation.yml:jobs.infra.if",
        "as ((needs['changes']['outputs']['infra'] == 'true') && (vars['VISIONLINE_PLATFORM']",
        "a fork's pull request is told no platform",
    ),
]
INDENT, OWN = "\n        ", "github.event.pull_request.head.repo.full_name == github.repository"
# What the gate of build-validation says of the plan of infra/: a text in it, and what takes its place.
LAX = [
    ("&& (needs.changes.outputs.infra == 'false'", "&& (true"),
    ("needs.changes.outputs.infra == 'false'", "needs.changes.outputs.infra != 'false'"),
    (f"{INDENT}|| vars.VISIONLINE_PLATFORM != 'azureml'{INDENT}&& github.event", f"{INDENT}|| github.event"),
    (f"{INDENT}|| vars.VISIONLINE_PLATFORM != 'azureml'{INDENT}&& {OWN}", ""),
    (f"{INDENT}&& {OWN}", ""),
    ("        && needs.changes.result == 'success'\n", ""),
    ("'touched.infra'], 'false')", "'touched.infra'], 'true')"),
    ("eq(dependencies.changes.result, 'Succeeded'),", ""),
    (f",{INDENT}ne(variables['System.PullRequest.IsFork'], 'True'))", ")"),
    (f"and(ne(variables['VISIONLINE_PLATFORM'], 'azureml'),{INDENT}", "and("),
]


@pytest.mark.parametrize("name", LISTED[0])
def test_the_pipelines_on_github_keep_to_policy(name: str) -> None:
    assert github_problems(OURS, name) == []


@pytest.mark.parametrize("name", LISTED[1])
def test_the_pipelines_on_azure_devops_keep_to_policy(name: str) -> None:
    assert azure_problems(THEIRS, name) == []


@pytest.mark.parametrize("path", OURS if LISTED[0] else ())
def test_a_missing_gate_on_github_is_found(path: str) -> None:
    assert survivors(path, OURS, GITHUB_GATES) == []


@pytest.mark.parametrize("path", THEIRS if LISTED[1] else ())
def test_a_missing_gate_on_azure_devops_is_found(path: str) -> None:
    assert survivors(path, THEIRS, AZURE_GATES) == []


@pytest.mark.parametrize("old, new", LAX, ids=lambda text: str(text)[:40])
def test_a_plan_that_is_not_made_for_another_reason_than_no_change_does_not_pass(old: str, new: str) -> None:
    place, tree, problems = next(one for one in gates() if old in one[0].read_text(encoding="utf-8"))
    content = yaml.safe_load(place.read_text(encoding="utf-8").replace(old, new))
    found = problems(changed(tree, str(place.relative_to(ROOT)), content), "build-validation")
    assert any("job gate: PASSED" in line for line in found), found


@pytest.mark.skipif(not OURS, reason=f"{GITHUB} was deleted")
@pytest.mark.parametrize("is_fork, told", [(False, "azureml"), (True, "")])
def test_a_forks_pull_request_is_told_no_setting_on_github(is_fork: bool, told: str) -> None:
    place = f"{WORKFLOWS}build-validation.yml"
    content = deepcopy(OURS[place])
    content["jobs"]["lint"]["env"] = {"TOLD": "${{ vars.VISIONLINE_PLATFORM }}"}
    settings = {name: values[-1] for name, values in SETTINGS.items()}
    scene = Scene("pull_request", PULL, tuple(settings.items()), is_fork=is_fork)
    jobs = github_plan.plan(changed(OURS, place, content), "build-validation", scene)
    assert [set(job.variables["TOLD"]) for job in jobs if job.name == "lint"] == [{told}]


@pytest.mark.parametrize("name", ["train", "release", "batch-score"])
@pytest.mark.parametrize("folder", [WORKFLOWS, f"{AZURE}/"])
def test_a_command_that_no_signal_reaches_is_found(folder: str, name: str) -> None:
    place = f"{folder}{name}.yml"
    if not (ROOT / place).exists():
        pytest.skip(f"{folder} was deleted")
    tree, problems = (OURS, github_problems) if folder == WORKFLOWS else (THEIRS, azure_problems)
    content = yaml.safe_load((ROOT / place).read_text(encoding="utf-8").replace("exec python", "python"))
    assert any("begin it with exec" in line for line in problems(changed(tree, place, content), name))


@pytest.mark.parametrize(
    "place, old, new, says",
    [
        (f"{WORKFLOWS}build-validation.yml", "environment: plan", "environment: operations", "may only plan"),
        (f"{WORKFLOWS}infra.yml", "infra-${{ matrix.stage }}", "${{ matrix.stage }}", "applies infra/ of dev"),
        (f"{WORKFLOWS}train.yml", "'pull-requests' || 'dev'", "'dev' || 'dev'", "nobody has agreed to"),
        (f"{AZURE}/build-validation.yml", "visionline-plan", "visionline-operations", "may only plan"),
        (f"{AZURE}/infra.yml", "infra-${{ stage.name }}", "${{ stage.name }}", "applies infra/ of dev"),
        (f"{AZURE}/infra.yml", "connection: visionline-infra", "connection: visionline", "is several to Azure"),
        (f"{WORKFLOWS}infra.yml", "--agreed", "--digest", "may not be what people have read"),
        (f"{AZURE}/infra.yml", "--agreed", "--digest", "may not be what people have read"),
        (f"{WORKFLOWS}infra.yml", "path: runs", "path: .plans", "hold what is secret in the state"),
    ],
)
def test_code_that_nobody_has_read_only_plans_and_who_may_do_everything_is_agreed_to(
    place: str, old: str, new: str, says: str
) -> None:
    if not (ROOT / place).exists():
        pytest.skip(f"{place} was deleted")
    tree, problems = (OURS, github_problems) if place.startswith(WORKFLOWS) else (THEIRS, azure_problems)
    text = (ROOT / place).read_text(encoding="utf-8")
    content = yaml.safe_load(text.replace(old, new))
    found = problems(changed(tree, place, content), Path(place).stem)
    assert old in text and any(says in line for line in found), found


@pytest.mark.skipif(not OURS, reason=f"{GITHUB} was deleted")
@pytest.mark.parametrize(
    "name, old, new, says",
    [
        (
            "rollback",
            "(vars.VISIONLINE_PLATFORM || 'local') != 'local'",
            "vars.VISIONLINE_PLATFORM == 'azureml'",
            "'own'",
        ),
        ("rollback", "'rollback-{0}'", "'release-{0}'", "waits for a release"),
        ("release", "|| 'home' }}", "|| 'release' }}", "concurrency is release on the platform 'local'"),
    ],
)
def test_a_way_back_that_would_wait_for_a_release_is_found(name: str, old: str, new: str, says: str) -> None:
    place = f"{WORKFLOWS}{name}.yml"
    text = (ROOT / place).read_text(encoding="utf-8")
    found = github_problems(changed(OURS, place, yaml.safe_load(text.replace(old, new))), name)
    assert old in text and any(says in line for line in found), found


@pytest.mark.parametrize(
    "place, old, new, says",
    [
        (f"{WORKFLOWS}build-validation.yml", "runs-on: ubuntu-latest", "runs-on: RUNNER", "runs nobody's code"),
        (f"{WORKFLOWS}build-validation.yml", "runs-on: ubuntu-latest", "runs-on: self-hosted", "runs-on: should be"),
        (f"{WORKFLOWS}release.yml", "runs-on: RUNNER", "runs-on: ubuntu-latest", "reaches a private stage"),
        (f"{WORKFLOWS}monitor.yml", "|| 'ubuntu-latest' }}", "}}", "one setting for all, and hosted without"),
        (f"{AZURE}/build-validation.yml", "vmImage: ubuntu-latest", "name: in-the-network", "runs nobody's code"),
        (f"{AZURE}/templates/check.yml", "vmImage: ubuntu-latest", "name: in-the-network", "runs nobody's code"),
        (f"{AZURE}/templates/stage.yml", "name: ${{ variables['VISIONLINE_RUNNER'] }}", "name: x", "reaches a private"),
        (f"{AZURE}/templates/stage.yml", "vmImage: ubuntu-latest", "name: x", "says ubuntu-latest"),
    ],
)
def test_a_pull_request_runs_on_hosted_machines_and_all_else_where_the_setting_says(
    place: str, old: str, new: str, says: str
) -> None:
    if not (ROOT / place).exists():
        pytest.skip(f"{place} was deleted")
    is_github = place.startswith(WORKFLOWS)
    tree, problems = (OURS, github_problems) if is_github else (THEIRS, azure_problems)
    text, *asked = ((ROOT / place).read_text(encoding="utf-8"), old, new)
    was, becomes = (one.replace("RUNNER", RUNNER) if is_github else one for one in asked)
    name = "build-validation" if "check.yml" in place else "release" if "stage.yml" in place else Path(place).stem
    found = problems(changed(tree, place, yaml.safe_load(text.replace(was, becomes))), name)
    assert was in text and any(says in line for line in found), found


def gates() -> Iterator[tuple[Path, Files, Callable[[Files, str], list[str]]]]:
    """Yield the files of build-validation that are here, each with its tree and policy."""
    for path, tree, problems in ((f"{WORKFLOWS}", OURS, github_problems), (f"{AZURE}/", THEIRS, azure_problems)):
        if tree:
            yield ROOT / f"{path}build-validation.yml", tree, problems


def survivors(path: str, tree: Files, gates: set[str]) -> list[str]:
    """Return the mutants of a file that nothing tells from the file."""
    only = Files({path: tree[path]})
    found = ((one, changed(tree, path, one.files[path])) for one in mutants(only, gates))
    return [str(one) for one, files in found if not is_found(path, files, tree) and not is_same(one)]


def is_found(path: str, files: Files, tree: Files) -> bool:
    """Tell whether a check refuses a changed tree; what pipelines share is seen in the first that uses it."""
    own = path.rpartition("/")[2].removesuffix(".yml")
    listed = LISTED[tree is THEIRS]
    return any(is_refused(name, files, tree) for name in ([own] if own in listed else listed))


def is_refused(name: str, files: Files, tree: Files) -> bool:
    """Tell whether policy or what is written down refuses a pipeline of a changed tree."""
    try:
        if tree is OURS:
            if any(github_identity_problems(files, name)):  # asked first, as it is at hand without any plan
                return True
            return bool(golden_differences(GITHUB_SIDE, files, name) or github_problems(files, name))
        return bool(golden_differences(AZURE_SIDE, files, name) or azure_problems(files, name))
    except Unknown:
        return True


def is_same(one: Mutant) -> bool:
    """Tell whether a mutant is known to do the same as before."""
    place = f"{one.path}:{'.'.join(map(str, one.way))}"
    return any(where in place and one.what.startswith(what) for where, what, _ in SAME)
