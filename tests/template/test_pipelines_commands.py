"""Each line of shell in the pipelines is a command that there is, and what Azure gets after expansion is a pipeline."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pipeline_trees import azure_plan, github_plan, github_triggers
from pipeline_trees.files import AZURE, GITHUB, ROOT, WORKFLOWS, Files, names, read_tree
from pipeline_trees.parity import scenes_of
from pipeline_trees.policy import TEST

from mlops.cli import parser

OURS, THEIRS = read_tree(GITHUB), read_tree(AZURE)
PIPELINES = [(GITHUB, name) for name in names(OURS, Files())] + [(AZURE, name) for name in names(Files(), THEIRS)]
VALUES = {"STAGE": "qa", "VERSION": "3", "LANGUAGE": "bicep"}
VARIABLE = re.compile(r"\$\{?([A-Z_]+)\}?")
CHECK = ("check_jsonschema", "--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "nonunicode")
# What a plan does that is no line of shell.
DONE = ("check out ", "Python ", "keep ", "fetch ", "log in to Azure as ")


@pytest.mark.parametrize("system, name", PIPELINES)
def test_each_command_is_one_that_there_is(system: str, name: str) -> None:
    commands = sorted(set(commands_of(system, name)))
    assert commands and [line for command in commands for line in problems(command)] == []


@pytest.mark.parametrize(
    "command, says",
    [
        ("python -m mlops promot --stage qa", "invalid choice"),
        ("python -m mlops promote --stage qa --judged", "unrecognized arguments: --judged"),
        ('exec python -m mlops promote --version "$REASON"', "invalid int value"),
        ("python -m mlops data; rm -rf .", "is more than one command"),
        ("make tests", "the Makefile has no target tests"),
        ("python -m pip install -c environments/constraints.txt -r environments/no.txt", "environments/no.txt"),
        ("curl example.com", "is neither mlops nor make"),
    ],
)
def test_a_command_that_there_is_not_is_named(command: str, says: str) -> None:
    (found,) = problems(command)
    assert says in found


def test_what_azure_gets_keeps_to_its_schema(tmp_path: Path) -> None:
    if not THEIRS:
        pytest.skip(f"{AZURE} was deleted")
    for name in names(Files(), THEIRS):
        for number, content in enumerate(expansions(name)):
            (tmp_path / f"{name}{number}.yml").write_text(json.dumps(texts(content)), encoding="utf-8")
    assert schema_says(tmp_path) == ""


@pytest.mark.parametrize("name", names(Files(), THEIRS))
def test_whatever_a_pipeline_expands_to_holds_something(name: str) -> None:
    assert [line for content in expansions(name) for line in hollow(content)] == []


@pytest.mark.parametrize(
    "content, says",
    [
        ({"stages": []}, "no stages"),
        ({"trigger": "none"}, "no stages"),
        ({"stages": [{"stage": "a", "jobs": []}]}, "stage a: no jobs"),
        ({"jobs": [{"job": "a", "steps": []}]}, "job a: no steps"),
        ({"jobs": [{"deployment": "a", "strategy": {"runOnce": {"deploy": {"steps": []}}}}]}, "job a: no steps"),
    ],
)
def test_what_expands_to_nothing_is_found(content: dict[str, Any], says: str) -> None:
    assert list(hollow(content)) == [says]


@pytest.mark.parametrize(
    "step",
    [
        {"bash": "true", "continueOnErrors": "true"},
        {"task": "UsePythonVersion@0", "inputs": {"versionSpecs": "3.11"}},
        {"task": "UsePythonVersions@0", "inputs": {"versionSpec": "3.11"}},
        {"task": "PublishBuildArtifacts@1", "inputs": {"ArtifactName": "runs", "publishLocation": "Elsewhere"}},
    ],
)
def test_what_is_no_pipeline_and_what_a_task_does_not_take_is_refused(step: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(json.dumps({"trigger": "none", "jobs": [{"job": "a", "steps": [step]}]}))
    assert "Schema validation errors" in schema_says(tmp_path)


def commands_of(system: str, name: str) -> Iterator[str]:
    """Yield what a pipeline's steps say to a shell, in any scene."""
    if system == GITHUB:
        found = github_triggers.triggers(OURS[f"{WORKFLOWS}{name}.yml"])
        plans = (github_plan.plan(OURS, name, scene) for scene in scenes_of(found))
    else:
        plans = (
            azure_plan.plan(THEIRS, name, scene) for scene in scenes_of(azure_plan.triggers(THEIRS[path_of(name)]))
        )
    yield from (step.what for plan in plans for job in plan for step in job.steps if not step.what.startswith(DONE))


def path_of(name: str) -> str:
    """Return the path of a pipeline on Azure."""
    return f"{AZURE}/{name}.yml"


def problems(command: str) -> Iterator[str]:
    """Yield what is wrong with a line of shell."""
    if command == TEST:
        return
    words = shlex.split(VARIABLE.sub(lambda found: VALUES.get(found[1], "words"), command), posix=True)
    if "\n" in command or {";", "&&", "||", "|"} & set(re.findall(r";|&&|\|\|?", command)):
        yield f"`{command}`: is more than one command"
    elif words[0] == "make":
        yield from (f"`{command}`: the Makefile has no target {word}" for word in words[1:2] if word not in targets())
    elif words[:4] == ["python", "-m", "pip", "install"]:
        asked = [word for word in words if word.endswith(".txt") and not (ROOT / word).exists()]
        yield from (f"`{command}`: there is no {path}" for path in asked)
    elif (said := refusal(words[1:] if words[0] == "exec" else words)) is not None:
        yield f"`{command}`: {said}"


def refusal(words: list[str]) -> str | None:
    """Return why mlops would not take a command line, None where it would."""
    if words[0] not in ("python", ".venv/bin/python") or words[1:3] != ["-m", "mlops"]:
        return "is neither mlops nor make"
    try:
        steps().parse_args(words[3:])
    except ValueError as error:
        return str(error)
    return None


@cache
def steps() -> Any:
    """Return the command line's own parser, which raises ValueError instead of ending the process."""
    root = parser()
    for one in [root, *root._subparsers._group_actions[0].choices.values()]:
        one.error = raise_error
    return root


def raise_error(message: str) -> None:
    """Raise what argparse complains of."""
    raise ValueError(message)


@cache
def targets() -> frozenset[str]:
    """Return the Makefile's targets."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))


def expansions(name: str) -> list[dict[str, Any]]:
    """Return the pipelines that one file expands to, one of each shape."""
    seen = scenes_of(azure_plan.triggers(THEIRS[path_of(name)]))
    found = (azure_plan.expanded(THEIRS, name, scene) for scene in seen)
    return list({json.dumps(shape(one)): one for one in found}.values())


def hollow(content: dict[str, Any]) -> Iterator[str]:
    """Yield what an expanded pipeline has none of; Azure refuses such a pipeline."""
    stages = content.get("stages") or ([{"jobs": content["jobs"]}] if content.get("jobs") else [])
    if not stages:
        yield "no stages"
    yield from (f"stage {stage['stage']}: no jobs" for stage in stages if not stage["jobs"])
    jobs = [job for stage in stages for job in stage["jobs"]]
    yield from (f"job {job.get('job') or job['deployment']}: no steps" for job in jobs if not azure_plan.steps_of(job))


def texts(node: Any) -> Any:
    """Return a content with each value as text, which is all that YAML holds to Azure Pipelines and its schema."""
    if isinstance(node, dict):
        return {key: texts(value) for key, value in node.items()}
    if isinstance(node, list):
        return [texts(value) for value in node]
    return str(node).lower() if isinstance(node, bool) else str(node)


def shape(node: Any) -> Any:
    """Return a content with its texts left out: keys, types and lengths stay."""
    if isinstance(node, dict):
        return {key: shape(value) for key, value in node.items()}
    return [shape(value) for value in node] if isinstance(node, list) else type(node).__name__


def schema_says(folder: Path) -> str:
    """Return what Azure's own schema says against the pipelines in a folder; nothing where it is content."""
    command = [sys.executable, "-m", *CHECK, "--data-transform", "azure-pipelines", *map(str, folder.glob("*.yml"))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr
