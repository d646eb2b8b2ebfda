"""Runs this repository's GitHub workflows on this machine by act: its YAML, commands and exit codes, no container.

A `CodeRepository` is a copy of this one, pushed to a bare repository on this machine, where people's settings live:
stage files, variables, kept artifacts. Each job begins as on GitHub with a fresh checkout at the same place, and with
nothing of the job before but what the workflow carries. tests/actions/ stands in for the actions of others, and says
what each one does instead. GitHub's API is a server on loopback.

What it cannot show, as act does not do it: approvals, permissions, concurrency, and which events start a workflow.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from code_hosts import Call, Reply
from comment_hosts import GitHubPulls
from frozen_stages import FROZEN
from issue_hosts import GitHubIssues
from pipeline_trees.scenes import is_of_fork
from raw_stripes import write_raw

from mlops.adapters.local.registry import LocalRegistry
from mlops.carrying import unpack
from mlops.config import load_stage
from mlops.context import Context
from mlops.records import ModelVersion

REPOSITORY = Path(__file__).resolve().parent.parent
WORKFLOWS = REPOSITORY / ".github" / "workflows"
EVENTS = REPOSITORY / "tests" / "events"
STANDINS = REPOSITORY / "tests" / "actions"
DEADLINE_SECONDS = 900.0
# What a workflow needs of this repository; tests and benchmarks only where its job runs them.
PARTS = (
    ".github",
    "docs/ways",
    "environments",
    "mlops",
    "src",
    "Makefile",
    "setup.cfg",
    "pyproject.toml",
    ".gitignore",
)
TOOLS = ("black", "flake8", "yamllint", "actionlint", "zizmor", "shellcheck")
PINNED = re.compile(r"uses: (?P<action>[\w-]+/[\w-]+)(?P<inner>/\S+)?@(?P<ref>\w{40})")
QUEUE = re.compile(r"^ +queue: max\n", re.MULTILINE)
AT_ONCE = re.compile(r"^( +)fail-fast: false\n", re.MULTILINE)
HERE = {"name": "a developer", "email": "developer@example.com"}


class Indented(yaml.SafeDumper):
    """Writes YAML as this repository's rules want it: a list stands to the right of its key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Begin an inner part."""
        super().increase_indent(flow, False)


@dataclass(frozen=True)
class Ended:
    """A run that ended: the result of each job in the workflow's order, and all that was said."""

    results: dict[str, str]
    said: str


class GitHubOfRuns(GitHubPulls, GitHubIssues):
    """The code host, with the artifacts that runs kept: folders below `artifacts`, by run and name."""

    def __init__(self, artifacts: Path) -> None:
        super().__init__()
        self.artifacts = artifacts
        self.branches: dict[str, str] = {}
        self.routes.append(("GET", r"/repos/octo/camera/actions/artifacts", self.list_artifacts))

    def list_artifacts(self, call: Call) -> Reply:
        """Answer the artifacts of a name."""
        found = [self._artifact(path) for path in self.artifacts.glob(f"*/{call.query['name']}")]
        return Reply(200, {"total_count": len(found), "artifacts": found})

    def _artifact(self, path: Path) -> dict[str, Any]:
        at = path.stat()
        run = {"id": int(path.parent.name), "head_branch": self.branches[path.parent.name]}
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at.st_mtime))
        made_by = {**run, "repository_id": 1, "head_repository_id": 1}
        made = {"id": at.st_mtime_ns, "name": path.name, "expired": False, "created_at": created}
        return {**made, "workflow_run": made_by}


@dataclass
class CodeRepository:
    """A repository with workflows, in a folder of its own. `variables` are its settings, GitHub's `vars`: no fork's.

    `only`: of a workflow nothing is run but this job, and those that it needs.
    """

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    only: str | None = None
    running: subprocess.Popen[str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Copy this repository; nothing is committed yet, so that a test may change it."""
        for name in PARTS:
            if (REPOSITORY / name).exists():  # a team with pipelines on Azure DevOps only has deleted .github
                self.add(name)
        shutil.copytree(FROZEN, self.checkout / "mlops" / "stages", dirs_exist_ok=True)
        (self.root / "artifacts").mkdir()
        self._make_machine()
        self.host = GitHubOfRuns(self.root / "artifacts")

    @property
    def checkout(self) -> Path:
        """Return where each job finds the repository."""
        return self.root / "camera"

    @property
    def home(self) -> Path:
        """Return where each job has the local platform's state."""
        return self.checkout / ".visionline"

    def add(self, name: str) -> None:
        """Copy one more file or folder of this repository."""
        source, target = REPOSITORY / name, self.checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)

    def set_stage(self, name: str, **changes: Any) -> None:
        """Change top keys of a stage file of the copy; a mapping is laid over what is there."""
        path = self.checkout / "mlops" / "stages" / f"{name}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for key, value in changes.items():
            content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
        path.write_text(yaml.dump(content, Dumper=Indented), encoding="utf-8")

    def push(self, *refs: str) -> None:
        """Commit all and push it to refs, as refs/heads/qa."""
        if not (self.checkout / ".git").exists():
            self._git("init", "--quiet", "--initial-branch=main")
            self._git("remote", "add", "origin", "https://github.com/octo/camera")
            subprocess.run(["git", "init", "--quiet", "--bare", self.root / "origin.git"], check=True)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message=Change the repository")
        self._git("push", "--quiet", "--force", str(self.root / "origin.git"), *(f"HEAD:{ref}" for ref in refs))

    def keep(self, run: str, name: str, branch: str) -> Path:
        """Return the folder of a new artifact of a run of a branch, to put files into."""
        self.host.branches[run] = branch
        self.kept(run, name).mkdir(parents=True)
        return self.kept(run, name)

    def kept(self, run: str, name: str) -> Path:
        """Return the folder of an artifact of a run."""
        return self.root / "artifacts" / run / name

    def at(self, stage: str) -> Context:
        """Return a stage as a person would look at it after a run, in a run of their own."""
        stages = self.checkout / "mlops" / "stages"
        return Context(load_stage(stage, stages), self.root / "looking", lambda line: None)

    def versions(self, run: str) -> dict[int, ModelVersion]:
        """Return the versions in the registry of the state that a run kept."""
        folder = self.root / "seen" / run
        if not folder.exists():  # each in a place of its own: MLflow goes on reading a database that was replaced
            unpack(self.kept(run, "home") / "home.tar.gz", folder)
        return dict(LocalRegistry(folder).versions(load_stage("dev").model))

    def run(self, workflow: str, event: str, run: str, **inputs: str) -> Ended:
        """Run a workflow to its end on an event of tests/events; `inputs` are laid over what a person gave there."""
        payload = json.loads((EVENTS / f"{event}.json").read_text(encoding="utf-8"))
        self.host.branches[run] = payload.get("ref", "").removeprefix("refs/heads/").removeprefix("refs/tags/")
        path = self.root / f"{event}.{run}.json"
        path.write_text(json.dumps({**payload, "inputs": {**payload.get("inputs", {}), **inputs}}), encoding="utf-8")
        source = self.checkout / ".github" / "workflows" / f"{workflow}.yml"
        jobs = list(yaml.safe_load(source.read_text(encoding="utf-8"))["jobs"])
        command = self._command(event.partition(".")[0], self._as_act_reads(source), path, run)
        command += [] if is_of_fork(payload) else [f"--var={name}={value}" for name, value in self.variables.items()]
        settings = {"HOME": str(self.root), "XDG_CACHE_HOME": str(self.root / "cache"), "PATH": os.environ["PATH"]}
        said: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=self.checkout, env=settings, **said) as self.running:
            return _read(jobs, *said_by(self.running))

    def cancel(self) -> None:
        """Cancel the run: the process that the step has started gets a signal, as from GitHub's runner, and no other.

        Source: docs.github.com, "Workflow cancellation reference".
        """
        assert self.running is not None
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError):  # it has ended meanwhile
                if f"\nPPid:\t{self.running.pid}\n" in status.read_text(encoding="utf-8"):
                    os.kill(int(status.parent.name), signal.SIGINT)

    def _as_act_reads(self, workflow: Path) -> Path:
        """Return a copy of a workflow without what act does not know: how many may wait for a lock.

        A matrix's jobs run one after the other there, as all have this machine.
        """
        copy = self.root / "workflows" / workflow.name
        copy.parent.mkdir(exist_ok=True)
        text = QUEUE.sub("", workflow.read_text(encoding="utf-8"))
        copy.write_text(AT_ONCE.sub(r"\g<0>\g<1>max-parallel: 1\n", text), encoding="utf-8")
        return copy

    def _command(self, event: str, workflow: Path, payload: Path, run: str) -> list[str]:
        tool = str(Path(sys.executable).parent / "act")
        act = [tool, event, "--workflows", str(workflow), "--eventpath", str(payload)]
        how = ["--platform", "ubuntu-latest=-self-hosted", "--pull=false", "--json", "--no-cache-server"]
        how += ["--job", self.only] if self.only else []
        how += ["--no-skip-checkout", "--concurrent-jobs", "1", "--secret", "GITHUB_TOKEN=ghs_workflow"]
        where = {
            "ARTIFACTS": str(self.root / "artifacts"),
            "CHECKOUT": str(self.checkout),
            "CODE_HOST": self.host.url,
            "GITHUB_RUN_ID": run,
            "MACHINE": str(self.root / "machine"),
            "PYTHON": sys.executable,
            "REPOSITORY": str(self.root / "origin.git"),
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }
        environment = [part for name, value in where.items() for part in ("--env", f"{name}={value}")]
        return [*act, *how, *environment, *self._standins()]

    def _standins(self) -> list[str]:
        """Return act's flags for the actions of others. Raises AssertionError where one has no stand-in."""
        texts = [path.read_text(encoding="utf-8") for path in (self.checkout / ".github").rglob("*.yml")]
        flags = []
        for found in sorted({found.groups() for text in texts for found in PINNED.finditer(text)}):
            folder = STANDINS / found[0]
            assert folder.is_dir(), f"{found[0]}: write a stand-in below tests/actions"
            flags += ["--local-repository", f"{found[0]}@{found[2]}={folder}"]
        return flags

    def _make_machine(self) -> None:
        machine = self.root / "machine"
        shutil.copytree(STANDINS / "machine", machine)
        for name in TOOLS:
            (machine / name).symlink_to(Path(sys.executable).parent / name)

    def _git(self, *arguments: str) -> None:
        who = [f"--config-env=user.{key}=WHO_{key.upper()}" for key in HERE]
        named = {f"WHO_{key.upper()}": value for key, value in HERE.items()}
        subprocess.run(["git", *who, *arguments], cwd=self.checkout, env={**os.environ, **named}, check=True)


def said_by(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a process says until it ends. Raises TimeoutExpired, and ends it, where that takes too long."""
    try:
        return process.communicate(timeout=DEADLINE_SECONDS)
    except BaseException:
        process.kill()
        raise


def bring_stripes(repository: CodeRepository) -> None:
    """Let a repository train on stripes: its data's digests and stage files changed, as whoever brings data does it."""
    raw = write_raw(repository.root / "raw")
    module = repository.checkout / "src" / "vision" / "data.py"
    text = module.read_text(encoding="utf-8")
    for path in raw.iterdir():
        text, count = re.subn(f'"{path.name}": "[0-9a-f]{{64}}"', f'"{path.name}": "{_digest(path)}"', text)
        assert count == 1, path.name
    module.write_text(text, encoding="utf-8")
    data = {"name": "stripes", "folder": str(raw), "debian": False, "url": None}
    repository.set_stage("base", data=data)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(jobs: list[str], out: str, error: str) -> Ended:
    """Read act's lines: a job that none of them ends was skipped; of a matrix none may fail."""
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    ends = sorted((line["jobResult"], line["jobID"]) for line in lines if "jobResult" in line)
    results = {job: result for result, job in reversed(ends)}  # "failure" comes before "success"
    said = "".join(f"{line.get('job', '')}: {line['msg'].rstrip()}\n" for line in lines)
    return Ended({name: results.get(name, "skipped") for name in jobs}, said + error)
