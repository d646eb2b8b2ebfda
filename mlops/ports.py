"""The ports: what steps ask of a platform or a target. Small, blocking, records in and records out.

An adapter is one file per port under mlops/adapters/<platform>/; mlops/adapters/__init__.py holds the table that
names them. A step never imports an adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlops.records import DataRecord, JobStep, ModelVersion, Origin

Say = Callable[[str], None]


class Registry(Protocol):
    """Numbered, immutable model versions with tags. Versions are integers."""

    def register(self, model: str, package: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Store a sealed package as the next version. The same package again gives the version that it has."""

    def versions(self, model: str) -> dict[int, ModelVersion]:
        """Return all versions of a model by number; empty where the model is unknown."""

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version. Raises RegistryError where the version is unknown."""

    def remove_tag(self, model: str, version: int, key: str) -> None:
        """Remove one tag of a version, if it has it. Raises RegistryError where the version is unknown."""

    def archive(self, model: str, version: int) -> None:
        """Hide a version from `versions`; its number is not given again. Raises RegistryError where it is unknown."""

    def download(self, model: str, version: int, folder: Path) -> Path:
        """Put the package of a version at `folder`, checked against the version's digest, whole or not at all."""

    def copy_to(self, model: str, version: int, other: Registry) -> None:
        """Make a version known to another registry, under its number; nothing where that is this one."""

    def receive(self, version: ModelVersion, package: Path) -> None:
        """Store a package under the number and with the tags that it has in another registry. Raises RegistryError."""


@dataclass(frozen=True)
class JobResult:
    """A job that completed: its steps, its outputs' folders and its inputs (at least those given), all by name."""

    name: str
    steps: dict[str, JobStep]
    outputs: dict[str, str]
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Submitted:
    """A job that goes on by itself: its name, and the page where it is seen."""

    name: str
    link: str


@dataclass(frozen=True)
class EndedJob:
    """A job that goes on no more: its inputs by name, and whether it completed."""

    name: str
    inputs: dict[str, str]
    is_completed: bool


class JobRunner(Protocol):
    """Runs a pipeline job written in Azure ML's YAML."""

    def run(self, job_file: Path, inputs: Mapping[str, str], report: Say, named: Say | None = None) -> JobResult:
        """Run the job to its end, its changes to `report`, its name to `named` if it may live on. Raises JobFailed."""

    def submit(self, job_file: Path, inputs: Mapping[str, str]) -> Submitted:
        """Start the job and leave it. Raises ConfigError where jobs live no longer than the process that waits."""

    def result(self, job: str, report: Say) -> JobResult:
        """Wait for a job that this stage submitted. Raises as `run` and `submit` do, JobError where its end is lost."""

    def ended(self, hours: float) -> list[EndedJob]:
        """Return the jobs started in the last hours that have ended, the oldest first. Raises as `submit` does."""

    def output(self, job: str, name: str) -> Path:
        """Return the folder of an output of a job that ended. Raises OutputMissing, JobError; ConfigError."""


@dataclass(frozen=True)
class ScheduleStatus:
    """How a stage's schedule of trainings stands: its name, cron and time zone are None where it has none."""

    stage: str
    name: str | None
    cron: str | None
    time_zone: str | None
    is_enabled: bool


class Scheduler(Protocol):
    """Starts the training pipeline by itself, as the stage file's `retraining` says."""

    def publish(self, job_file: Path, inputs: Mapping[str, str]) -> ScheduleStatus:
        """Make the schedule as the stage file wants it, or change it to that; one that is paused stays paused."""

    def pause(self) -> ScheduleStatus:
        """Let the schedule start nothing until it is resumed. Raises JobError where there is none."""

    def resume(self) -> ScheduleStatus:
        """Let a paused schedule go on at its next time. Raises JobError where there is none."""

    def remove(self) -> None:
        """Delete the schedule, if there is one."""

    def start_once(self, job_file: Path, inputs: Mapping[str, str], report: Say) -> None:
        """Start the job for the inputs' data version without waiting, unless that was done or is paused; tell which."""


class DataStore(Protocol):
    """Content-addressed data versions."""

    def publish(self, name: str, folder: Path) -> DataRecord:
        """Store the folder's files as a version named by their content. The same bytes are stored once."""

    def fetch(self, name: str, version: str) -> DataRecord:
        """Return a published version, its files checked. Raises ConfigError where it is unknown or damaged."""


@dataclass(frozen=True)
class Deployment:
    """What to serve: one version's package folder, its digest, and which variant of it.

    `images` holds the images that carry it, as `repository@sha256:<hex>` by kind (runtime, model); empty: not packaged.
    """

    model: str
    version: int
    digest: str
    package: Path
    variant: str
    images: Mapping[str, str] = field(default_factory=dict)


DECLARED, UNSEEN = "declared", "unseen"


@dataclass(frozen=True)
class DeploymentStatus:
    """What a deployment is seen to do. `url`, `infer_path` and `headers` reach it alone, past the traffic split.

    One that is declared where nobody looks, by the stage file's choice, is `declared`; one that should be looked at and
    can't be is `unseen`: the reason says why, and there is no url, nor of one that scores files by jobs. `requests` and
    `errors` (the model's) count live traffic since it was started; `uncounted` says why nobody knows them.
    `is_current`: as the stage file says by now.
    """

    version: int
    digest: str
    state: str  # ready | loading | failed | declared | unseen
    reason: str | None
    requests: int
    errors: int
    url: str
    infer_path: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    is_current: bool = True
    uncounted: str | None = None

    @property
    def is_online(self) -> bool:
        """Tell whether it answers requests."""
        return bool(self.url)


@dataclass(frozen=True)
class EndpointStatus:
    """What an endpoint does: percent of traffic by version, its deployments; `url` is None where nothing runs."""

    url: str | None
    traffic: dict[int, int]
    deployments: dict[int, DeploymentStatus]


class DeployTarget(Protocol):
    """One stage's endpoint. Each method returns when what it asked for is seen to be so; each may be repeated."""

    def lock(self) -> AbstractContextManager[None]:
        """Hold the endpoint for one release. Raises BusyError, saying who holds it, where it is held already."""

    def status(self) -> EndpointStatus:
        """Return what the endpoint serves now."""

    def deploy(self, deployment: Deployment) -> None:
        """Start a deployment beside the others, with no traffic. Raises DeployError where it never gets ready."""

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Split the traffic: percent by version, summing to 100. No request is lost."""

    def remove(self, version: int) -> None:
        """Stop a deployment that has no traffic, after its last request was answered."""


@dataclass(frozen=True)
class ScoredFile:
    """What a version says of one file, named by its path within the data: label and score, or else the error."""

    file: str
    label: str | None
    score: float | None
    error: str | None
    model: str
    model_version: int
    digest: str


class Scorer(Protocol):
    """Scores files, many at a time, where no request could hold them."""

    def score(self, deployment: Deployment, data: DataRecord) -> list[ScoredFile]:
        """Score each file of a published data version, and return a row for each, in the order of their names.

        Raises JobError where the version's own script fails; a file that can't be scored is no failure, but a row.
        """


@dataclass(frozen=True)
class Notice:
    """What a training ended with, in the words of whoever started it. `summary` is Markdown, `tag` a single word.

    `key` tells one notice from another: the same again changes what is shown, and adds nothing.
    """

    key: str
    name: str
    outcome: str  # promote | reject | error
    title: str
    summary: str
    link: str | None
    tag: str


@dataclass(frozen=True)
class CheckLine:
    """What one check before a start found: `state` is ok, warning or failure; `text` says what to do about it."""

    check: str
    state: str
    text: str


class Preflight(Protocol):
    """Looks whether what a stage's steps need is there. It starts nothing and changes nothing."""

    def lines(self) -> Iterator[CheckLine]:
        """Yield a line per check. What can't be looked at is a line, too: nothing is raised."""


class Approvals(Protocol):
    """Knows who must agree before a pipeline may touch a stage."""

    def lines(self, environment: str, origin: Origin) -> Iterator[CheckLine]:
        """Yield what guards the environment that bears a stage's name."""


class Secrets(Protocol):
    """What this process may know of others: secrets by name, and tokens of its own identity."""

    def read(self, name: str) -> str:
        """Return a secret. Raises ConfigError where there is none, or this process may not read it."""

    def token(self, scope: str) -> str:
        """Return an access token of this process's own identity. Raises ConfigError where it has none."""


class Notifier(Protocol):
    """Tells whoever started a training how it ended."""

    def report(self, notice: Notice, origin: Origin, secrets: Secrets) -> str | None:
        """Show a notice at its origin and return its address. Raises StepError where it can't be delivered."""


@dataclass(frozen=True)
class Objection:
    """What a platform's own software finds wrong in a file: `keys` lead to the place, as far as it says where."""

    keys: tuple[str, ...]
    text: str


class Validator(Protocol):
    """Judges a platform's files by its own software, without the platform."""

    def objections(self, file: Path, kind: str, type_: str | None) -> list[Objection]:
        """Return what is wrong in a file whose $schema names `kind`, as commandJob, and which says that type."""
