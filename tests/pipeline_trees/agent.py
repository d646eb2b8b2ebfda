"""Runs this repository's Azure pipelines on this machine: expanded as Azure does, job by job and step by step.

An `AzureRepository` is a `CodeRepository` whose pipelines are Azure's: the same copy, events, settings and questions
afterwards. Each job begins with what is checked out, and nothing of the job before but what the pipeline carries. Tasks
of others are stood in for, each as far as it is used here; any other is refused.

What it cannot show: locks, and who may use a service connection. Of an environment in `rejected` people say no.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_trees.azure_plan import RESULTS, expanded, job_variables, states, steps_of
from pipeline_trees.azure_rules import azure_rules, is_true, variables
from pipeline_trees.agent_words import COMMAND, as_environment, needs_of, typed, unescaped
from pipeline_trees.build_host import AzureOfRuns
from pipeline_trees.expressions import Unknown, evaluate
from pipeline_trees.files import AZURE, SETTINGS, read_tree
from pipeline_trees.scenes import Scene, is_of_fork
from workflow_runs import EVENTS, CodeRepository, Ended, said_by

from mlops.adapters.local.stop import stop_endpoints

MACRO = re.compile(r"\$\(([\w.]+)\)")
CONNECTED = ("CLIENT_ID", "TENANT_ID", "SERVICE_CONNECTION_ID")


@dataclass
class AzureRepository(CodeRepository):
    """A repository with Azure pipelines. `rejected` are the environments whose approval is not given.

    `connected` is what a task that logs in by a service connection tells its script of it.
    """

    rejected: set[str] = field(default_factory=set)
    connected: dict[str, str] = field(default_factory=lambda: {name: name.lower() for name in CONNECTED})

    def __post_init__(self) -> None:
        """Copy this repository, and Azure's pipelines with it."""
        super().__post_init__()
        self.host.close()
        self.add(AZURE)
        self.host: AzureOfRuns = AzureOfRuns(self.root / "artifacts")  # type: ignore[assignment]

    def keep(self, run: str, name: str, branch: str) -> Path:
        """Return the folder of a new artifact, of a build that is tagged as if it had kept it."""
        self.host.build_tags[run] = {name, f"{name}-20260101000000"}
        return super().keep(run, name, branch)

    def run(self, workflow: str, event: str, run: str, **inputs: str) -> Ended:
        """Run a pipeline to its end on an event of tests/events; `inputs` are laid over what a person gave there."""
        told = json.loads((EVENTS / f"{event}.json").read_text(encoding="utf-8"))
        ref = told.get("ref", "refs/pull/12/merge")
        self.host.branches[run] = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        files = read_tree(AZURE, self.checkout)
        asked = typed(files[f"{AZURE}/{workflow}.yml"].get("parameters", ()), {**told.get("inputs", {}), **inputs})
        settings = {**files[SETTINGS]["variables"], **self.variables}
        pairs = tuple(settings.items()), tuple(asked.items())
        scene = Scene(event.partition(".")[0], ref, *pairs, is_of_fork(told))
        return _Run(self, run, scene, expanded(files, workflow, scene)).to_its_end()

    def cancel(self) -> None:
        """Cancel the run: the process that the step has started gets a signal, as from Azure's agent, and no other."""
        assert self.running is not None
        self.running.send_signal(signal.SIGINT)


@dataclass
class _Run:
    """One run of a pipeline: what is known so far."""

    repository: AzureRepository
    number: str
    scene: Scene
    content: dict[str, Any]
    results: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def to_its_end(self) -> Ended:
        """Run job after job. Each name stands for the job and its stage, which has no other."""
        units = [(one, one) for one in self.content.get("jobs", ())]
        units += [(stage, stage["jobs"][0]) for stage in self.content.get("stages", ())]
        only = self.repository.only
        needed = {only, *next((needs_of(unit) for unit, job in units if job["displayName"] == only), ())}
        units = [(unit, job) for unit, job in units if only is None or job["displayName"] in needed]
        shown = {}
        for unit, job in units:
            name = unit.get("stage") or unit["job"]
            shown[job["displayName"]] = self.results[name] = self._result(unit, job)
        return Ended(shown, "\n".join(self.said))

    def _result(self, unit: dict[str, Any], job: dict[str, Any]) -> str:
        needs = needs_of(unit)
        ends = [self.results[need] for need in needs]
        status = next((end for end in ends if end != "success"), "success")
        known = {**self.predefined, **self.content["variables"]}
        before = self._before(set(needs), "stage" in unit)
        names = {"variables": variables(known), **before}
        if not _holds(unit.get("condition"), names, status):
            return "skipped"
        if job.get("environment") in self.repository.rejected:
            return "skipped"  # a stage whose approval is rejected, or not given in time, does not run
        return _Job(self, job, {**known, **job_variables(job, names)}).result()

    @property
    def predefined(self) -> dict[str, str]:
        """Return the variables that Azure Pipelines sets."""
        return {
            **self.scene.system,
            "Build.BuildId": self.number,
            "Build.Repository.ID": "repo-id",
            "Build.Repository.Provider": "TfsGit",
            "Build.SourcesDirectory": str(self.repository.checkout),
            "Build.SourceVersion": "c0ffee",
            "System.CollectionUri": f"{self.repository.host.url}/org/",
            "System.TeamProject": "edge cameras",
            "System.TeamProjectId": "project-id",
            "TF_BUILD": "True",
            **({"System.PullRequest.PullRequestId": "12"} if self.scene.event == "pull_request" else {}),
        }

    def _before(self, needs: set[str], has_stages: bool) -> dict[str, Any]:
        def told(name: str) -> dict[str, Any]:
            if name not in needs:
                raise Unknown(f"'{name}' is asked and is not in dependsOn")
            return {"result": RESULTS[self.results[name]], "outputs": self.outputs.get(name, {})}

        return {"stageDependencies": lambda stage: lambda job: told(stage)} if has_stages else {"dependencies": told}


@dataclass
class _Job:
    """One job on a machine of its own."""

    run: _Run
    job: dict[str, Any]
    variables: dict[str, str]
    status: str = "success"
    path: str = ""

    def result(self) -> str:
        """Run the steps whose condition holds; what fails makes the job fail."""
        self.path = os.environ["PATH"]
        self.variables = {name: self._filled(value) for name, value in self.variables.items()}
        for step in steps_of(self.job):
            names = {"variables": variables(self.variables, self.variables.get("", ""))}
            if _holds(step.get("condition"), names, self.status) and not self._do(step):
                self.status = "failure"
        return self.status

    @property
    def checkout(self) -> Path:
        """Return the folder that the steps run in."""
        return self.run.repository.checkout

    def _do(self, step: dict[str, Any]) -> bool:
        self._say(f"== {step.get('displayName') or next(iter(step.items()))}")
        if step.get("download") == "none" or step.get("checkout") == "none":
            return True
        if "checkout" in step:
            return self._check_out(int(step.get("fetchDepth", 1)))
        if "bash" in step:
            return self._bash(step["bash"], step)
        task, inputs = step["task"], {key: self._filled(str(one)) for key, one in step["inputs"].items()}
        if task not in TASKS:
            raise Unknown(f"the task {task} is not known: write what stands in for it")
        return TASKS[task](self, inputs, step)

    def _check_out(self, depth: int) -> bool:
        """Make the machine new: the commit that was pushed, and nothing that a job before has left."""
        stop_endpoints(self.run.repository.home)
        origin = f"file://{self.run.repository.root / 'origin.git'}"
        for command in (
            ["fetch", "--quiet", "--force", *([f"--depth={depth}"] if depth else []), origin, self.run.scene.ref],
            ["checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"],
            ["clean", "-ffdxq"],
        ):
            subprocess.run(["git", *command], cwd=self.checkout, check=True)
        return True

    def _bash(self, script: str, step: dict[str, Any], more: Mapping[str, str] | None = None) -> bool:
        own = {key: self._filled(str(value)) for key, value in (step.get("env") or {}).items()}
        environment = {**self._machine(), **as_environment(self.variables), **(more or {}), **own, "PATH": self.path}
        file = self.run.repository.root / "step.sh"
        file.write_text(self._filled(script), encoding="utf-8")
        said: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        command = ["bash", "--noprofile", "--norc", str(file)]
        with subprocess.Popen(command, cwd=self.checkout, env=environment, **said) as process:
            self.run.repository.running = process
            out, _ = said_by(process)
        for line in out.splitlines():
            self._say(line)
            if told := COMMAND.match(line):
                self._obey(told, step.get("name"))
        return process.returncode == 0

    def _machine(self) -> dict[str, str]:
        """Return what a machine has by itself; the first Python on its PATH wants to know the rest."""
        repository = self.run.repository
        told = {"PYTHON": sys.executable, "MACHINE": str(repository.root / "machine"), "OMP_NUM_THREADS": "1"}
        where = {"CODE_HOST": repository.host.url, "GITHUB_WORKSPACE": str(self.checkout)}
        return {"HOME": str(repository.root), "LANG": "C.UTF-8", **told, **where, **repository.environment}

    def _obey(self, told: re.Match[str], step: str | None) -> None:
        properties = dict(pair.split("=", 1) for pair in (told["properties"] or "").split(";") if pair)
        value = unescaped(told["value"])
        if told["name"] == "task.setvariable":
            self._set(properties, value, step)
        elif told["name"] == "build.addbuildtag":
            self.run.repository.host.build_tags.setdefault(self.run.number, set()).add(value)
        elif told["name"] != "task.uploadsummary" or not Path(value).is_file():
            raise Unknown(f"{told.group()}: is not known, or names a file that is not there")

    def _set(self, properties: Mapping[str, str], value: str, step: str | None) -> None:
        name = unescaped(properties["variable"])
        if properties.get("isOutput") != "true":
            self.variables[name] = value
        elif step is not None:  # an output of a step without a name is nobody's
            self.variables[f"{step}.{name}"] = value
            whole = self.job.get("deployment")
            key = f"{whole}.{step}.{name}" if whole else f"{step}.{name}"
            self.run.outputs.setdefault(whole or self.job["job"], {})[key] = value

    def _filled(self, text: str) -> str:
        known = {name.lower(): value for name, value in self.variables.items()}
        known["system.accesstoken"] = "entra-token"

        def value(found: re.Match[str]) -> str:
            if found[1].lower() not in known:
                raise Unknown(f"$({found[1]}): nobody has set it")
            return known[found[1].lower()]

        return MACRO.sub(value, text)

    def _say(self, line: str) -> None:
        self.run.said.append(f"{self.job['displayName']}: {line}")


def _use_python(job: _Job, inputs: dict[str, str], step: dict[str, Any]) -> bool:
    machine = job.run.repository.root / "machine"
    job.path = f"{machine}:{job.path}"
    shutil.copytree(machine, job.checkout / ".venv" / "bin", symlinks=True)
    for stamp in (".runtime", ".tests"):
        (job.checkout / ".venv" / stamp).touch()
    return sys.version_info >= tuple(map(int, inputs["versionSpec"].split(".")))


def _publish(job: _Job, inputs: dict[str, str], step: dict[str, Any]) -> bool:
    source = job.checkout / inputs["PathtoPublish"]
    if not source.is_dir():
        job._say(f"{source}: not found")
        return False
    shutil.copytree(source, job.run.repository.kept(job.run.number, inputs["ArtifactName"]), dirs_exist_ok=True)
    return True


def _download(job: _Job, inputs: dict[str, str], step: dict[str, Any]) -> bool:
    number = inputs["buildId"] if inputs["buildType"] == "specific" else job.run.number
    source = job.run.repository.kept(number, inputs["artifactName"])
    if not source.is_dir():
        job._say(f"artifact {inputs['artifactName']} not found for build {number}")
        return False
    shutil.copytree(source, Path(inputs["downloadPath"]) / inputs["artifactName"], dirs_exist_ok=True)
    return True


def _with_az(job: _Job, inputs: dict[str, str], step: dict[str, Any]) -> bool:
    known = {f"AZURESUBSCRIPTION_{name}": value for name, value in job.run.repository.connected.items()}
    return job._bash(inputs["inlineScript"], step, known)


TASKS: dict[str, Callable[[_Job, dict[str, str], dict[str, Any]], bool]] = {
    "UsePythonVersion@0": _use_python,
    "PublishBuildArtifacts@1": _publish,
    "DownloadBuildArtifacts@1": _download,
    "AzureCLI@2": _with_az,
}


def _holds(condition: str | None, names: Mapping[str, Any], status: str) -> bool:
    return is_true(evaluate(condition or "succeeded()", azure_rules(names, states(status))))
