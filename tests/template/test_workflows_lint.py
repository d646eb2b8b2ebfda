"""The pipelines' YAML is what its own systems' rules say: linters and schemas are content, and each refuses a bad file.

What the two systems do alike, and what an expanded Azure pipeline holds, other tests say.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sources import ROOT

from mlops.bootstrap import github
from mlops.bootstrap.plan import Plan

BIN = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
AZURE = sorted((ROOT / ".azure-pipelines").glob("*.yml"))
SETTINGS = "settings.yml"
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<sha>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
AZURE_SCHEMA = ("vendor.azure-pipelines", "--regex-variant", "nonunicode", "--data-transform", "azure-pipelines")
HEAD = "name: x\non: {pull_request: {branches: [main]}}\npermissions: {}\n"
GOOD_JOB = (
    "  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    permissions: {}\n    steps:\n      - run: make a\n"
)
REQUIRED = re.compile(r"required_status_checks\[contexts\]\[\]=(.+)")
CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8"
no_github = pytest.mark.skipif(not WORKFLOWS, reason="this project keeps no pipelines on GitHub")
no_azure = pytest.mark.skipif(not AZURE, reason="this project keeps no pipelines on Azure DevOps")


def complaints(tool: str, *arguments: object) -> str:
    """Return what a tool says of files; nothing where it is content."""
    command = [str(BIN / tool), *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else f"{tool}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"


def by_actionlint(*files: Path) -> str:
    """Return what actionlint says of workflows, and shellcheck of the commands in them."""
    return complaints("actionlint", "-shellcheck", BIN / "shellcheck", *files)


def by_schema(schema: tuple[str, ...], *files: Path) -> str:
    """Return what a schema that check-jsonschema brings along says of files."""
    return complaints("check-jsonschema", "--builtin-schema", *schema, *files)


def as_azure_reads(file: Path, folder: Path) -> Path:
    """Return a copy of a pipeline in which each scalar is a string, as the schema of Azure Pipelines has it."""
    copy = folder / f"{file.stem}.json"
    copy.write_text(json.dumps(yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)), encoding="utf-8")
    return copy


def loose(workflow: str, text: str) -> Iterator[str]:
    """Yield what a workflow or action leaves open: an unpinned action, a job without a limit or permissions."""
    for line in text.splitlines():
        words = line.strip().removeprefix("- ")
        if words.startswith("uses: ") and not words.startswith("uses: ./") and not PINNED.match(words):
            yield f"{workflow}: {words}: pin it by its commit, with the version in a comment"
    content = yaml.safe_load(text)
    if "jobs" in content:
        yield from (f"{workflow}: {problem}" for problem in _open_doors(content))


def _open_doors(workflow: Mapping[Any, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield "should begin with `permissions: {}`"
    events = workflow.get("on") or workflow.get(True)  # YAML 1.1 reads `on` as true
    if "pull_request_target" in events:
        yield "pull_request_target runs a stranger's code with our token"
    for name, job in workflow["jobs"].items():
        if not {"permissions", "timeout-minutes"} <= job.keys():
            yield f"job {name}: needs `permissions` and `timeout-minutes`"
        # With an environment it runs for nobody whom that environment, or the job's own condition, does not trust.
        if "pull_request" in events and "environment" not in job and job.get("runs-on") != "ubuntu-latest":
            yield f"job {name}: runs on {job.get('runs-on')}: a machine of ours is for no stranger's pull request"


def _shas(texts: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in "\n".join(texts).splitlines():
        if match := PINNED.search(line.strip()):
            found.setdefault(match["action"], set()).add(match["sha"])
    return found


def shown(workflow: Mapping[Any, Any]) -> list[str]:
    """Return under what names a workflow's jobs are shown as checks; a matrix's jobs without its values."""
    return [str(job.get("name", name)) for name, job in workflow["jobs"].items()]


def ambiguous(required: Iterable[str], checks: list[str]) -> list[str]:
    """Return the required checks that not exactly one job of all workflows reports."""
    return [name for name in required if checks.count(name) != 1]


def _bad(folder: Path, text: str) -> Path:
    path = folder / ".github" / "workflows" / "bad.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


@no_github
def test_linters_and_schemas_are_content_with_github() -> None:
    assert not by_actionlint(*WORKFLOWS)
    assert not complaints("zizmor", "--offline", "--no-progress", ".github")
    assert not by_schema(("vendor.github-workflows",), *WORKFLOWS)
    assert not by_schema(("vendor.github-actions",), *ACTIONS)
    assert not by_schema(("vendor.dependabot",), ROOT / ".github" / "dependabot.yml")


@no_github
def test_nothing_is_left_open_on_github() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in [*WORKFLOWS, *ACTIONS]}
    assert [problem for name, text in texts.items() for problem in loose(name, text)] == []
    assert [action for action, shas in _shas(list(texts.values())).items() if len(shas) > 1] == []
    assert not [name for name, text in texts.items() if "secrets." in text]


@no_github
@pytest.mark.parametrize("way", ["branches", "single"])
def test_what_a_branchs_rule_asks_for_one_job_of_one_workflow_reports(way: str) -> None:
    words = [word for one in github.commands(Plan("octo/camera", way, (), None)) for word in one.arguments]
    required = {found[1] for word in words if (found := REQUIRED.fullmatch(word))}
    checks = [name for path in WORKFLOWS for name in shown(yaml.safe_load(path.read_text(encoding="utf-8")))]
    assert required and ambiguous(required, checks) == []


def test_a_required_check_of_two_jobs_or_of_none_is_found() -> None:
    checks = [name for job in ({}, {"name": "all"}) for name in shown({"jobs": {"gate": job, "lint": {}}})]
    assert ambiguous(["gate", "all", "lint", "merge"], checks) == ["lint", "merge"]


@no_azure
def test_the_schema_is_content_with_azure_pipelines(tmp_path: Path) -> None:
    pipelines = [as_azure_reads(path, tmp_path) for path in AZURE if path.name != SETTINGS]
    assert pipelines and not by_schema(AZURE_SCHEMA, *pipelines)


@pytest.mark.parametrize(
    "job, said",
    [
        (GOOD_JOB + "    needs: b\n", "needs"),
        (GOOD_JOB + "      - run: rm -rf $FOLDER\n", "SC2086"),
        (GOOD_JOB + "      - run: echo ${{ needs.b.outputs.c }}\n", "needs"),
    ],
)
def test_actionlint_refuses(job: str, said: str, tmp_path: Path) -> None:
    assert said in by_actionlint(_bad(tmp_path, f"{HEAD}jobs:\n{job}"))


@pytest.mark.parametrize(
    "step, said",
    [
        ("- run: echo ${{ github.event.pull_request.title }}", "template-injection"),
        ("- uses: actions/checkout@v5", "unpinned-uses"),
        (f"- uses: {CHECKOUT} # v5.0.0", "artipacked"),
    ],
)
def test_zizmor_refuses(step: str, said: str, tmp_path: Path) -> None:
    _bad(tmp_path, f"{HEAD}jobs:\n{GOOD_JOB}      {step}\n")
    assert said in complaints("zizmor", "--offline", "--no-progress", tmp_path)


def test_the_schemas_refuse(tmp_path: Path) -> None:
    assert by_schema(("vendor.github-workflows",), _bad(tmp_path, f"{HEAD}jobs:\n{GOOD_JOB}    need: b\n"))
    azure = tmp_path / "pipeline.yml"
    azure.write_text("jobs:\n  - job: a\n    steps:\n      - task: AzureCLI@2\n        inputs: {script: x}\n", "utf-8")
    assert by_schema(AZURE_SCHEMA, as_azure_reads(azure, tmp_path))


@pytest.mark.parametrize(
    "old, new",
    [
        ("permissions: {}\njobs", "permissions: {contents: write}\njobs"),
        ("    timeout-minutes: 5\n", ""),
        ("pull_request:", "pull_request_target:"),
        ("ubuntu-latest", "self-hosted"),
        ("run: make a", "uses: actions/checkout@v5"),
        ("run: make a", f"uses: {CHECKOUT}"),
    ],
)
def test_what_is_left_open_is_found(old: str, new: str) -> None:
    good = f"{HEAD}jobs:\n{GOOD_JOB}"
    assert list(loose("a", good)) == []
    assert len(list(loose("a", good.replace(old, new)))) == 1
