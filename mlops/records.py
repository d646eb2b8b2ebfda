"""The records that steps hand on: one frozen dataclass a step, one JSON file each in runs/<run-id>/.

A record says what a step did and what the next needs. Paths in records are absolute; versions are integers;
digests are `sha256:<hex>`; durations are seconds; times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

from mlops.errors import ConfigError
from mlops.loading import read_json, write_json

T = TypeVar("T")


class Outcome(IntEnum):
    """What a verdict says, as the exit code that says it."""

    PROMOTE = 0
    ERROR = 1
    REJECT = 2


@dataclass(frozen=True)
class RuleResult:
    """What one rule says of a model: its outcome's name (promote, reject, error) and a reason a person can act on."""

    rule: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What all rules say together: error where one could not be judged, else reject where one fails, else promote."""

    outcome: str
    reason: str
    rules: tuple[RuleResult, ...] = ()


@dataclass(frozen=True)
class DataRecord:
    """A published data version: content-addressed, the same bytes give the same version on any machine."""

    name: str
    version: str
    path: str


@dataclass(frozen=True)
class JobStep:
    """One step of a job as it ended: completed, reused or failed."""

    status: str
    seconds: float
    log: str


@dataclass(frozen=True)
class TrainRecord:
    """A training job that ended: the version that its model was compared with, its steps, and where its outputs are."""

    job: str
    data_version: str
    champion: int | None
    steps: dict[str, JobStep]
    outputs: dict[str, str]


@dataclass(frozen=True)
class ChampionRecord:
    """The version that a stage serves, which a new model is compared with; None where nothing is approved."""

    model: str
    version: int | None
    digest: str | None


@dataclass(frozen=True)
class SubmittedRecord:
    """A training job that goes on by itself: the page where it is seen, and its inputs, by which a rerun knows it."""

    job: str
    link: str
    data_version: str
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Repair:
    """What was changed of a foreign model, and by how much its answers differ since, as a share of the largest."""

    what: str
    difference: float | None


@dataclass(frozen=True)
class IntakeRecord:
    """A model that was trained elsewhere, as it came in: what was changed, why it has no int8, why it was refused."""

    file: str
    sha256: str
    repairs: tuple[Repair, ...]
    int8: str | None
    refused: str | None
    schema: int = 1


@dataclass(frozen=True)
class RegisterRecord:
    """A registered model version, or the verdict alone where the gates held it back (version is None)."""

    model: str
    version: int | None
    digest: str | None
    data_version: str
    git_commit: str
    verdict: Verdict


@dataclass(frozen=True)
class Origin:
    """Where a training was started from: `host` is github or azure-devops, `api` its REST API, `run` CI's number.

    `commit` is what people see: of a pull request its own last commit, not the merge that CI builds.
    """

    host: str
    api: str
    repository: str
    project: str
    commit: str
    pull_request: str | None
    run: str
    link: str | None


@dataclass(frozen=True)
class NotifyRecord:
    """Whether a training's verdict was told to where it was started from: none, github or azure-devops; if not, why."""

    where: str
    delivered: bool
    reason: str
    url: str | None


@dataclass(frozen=True)
class PromoteRecord:
    """A version's entry into a stage, or its refusal."""

    stage: str
    version: int
    digest: str
    champion: int | None
    verdict: Verdict


@dataclass(frozen=True)
class PackageRecord:
    """The images that carry a version, by kind (runtime, model), as `repository@sha256:<hex>`.

    `sboms` are the files that list what is in each (CycloneDX); `bytes` is what a site that has nothing pulls of each.
    """

    stage: str
    version: int
    digest: str
    images: dict[str, str]
    sboms: dict[str, str]
    bytes: dict[str, int]
    signed: bool


@dataclass(frozen=True)
class TrafficEvent:
    """The traffic that an endpoint was given at one time: percent by version."""

    time: float
    traffic: dict[str, int]
    reason: str


@dataclass(frozen=True)
class DeployRecord:
    """A reconcile: which version serves since, from which, each move of traffic; served, unchanged or reverted."""

    stage: str
    outcome: str
    version: int | None
    previous: int | None
    digest: str | None
    events: tuple[TrafficEvent, ...]
    verdict: Verdict
    seconds: float


@dataclass(frozen=True)
class VerifyRecord:
    """What a stage's endpoint was seen to serve, and whether that is what it should."""

    stage: str
    version: int
    verdict: Verdict


@dataclass(frozen=True)
class ScoreRecord:
    """A data version that a stage's version scored: how many files there are, how many could not be scored, labels.

    `rows` is the file with a row a file (ports.ScoredFile), one JSON object a line.
    """

    stage: str
    version: int
    digest: str
    data: DataRecord
    files: int
    failed: int
    labels: dict[str, int]
    rows: str
    verdict: Verdict
    seconds: float


@dataclass(frozen=True)
class RollbackRecord:
    """A revoked version, the one served since, why, and how long the whole took."""

    stage: str
    revoked: int
    served: int
    reason: str
    seconds: float


@dataclass(frozen=True)
class DemoRecord:
    """A demo that was played: when it began, seconds by act and in all, and what it ended with."""

    started: float
    steps: dict[str, float]
    wall_seconds: float
    model_version: int
    data_version: str


@dataclass(frozen=True)
class ModelVersion:
    """One immutable numbered build in a registry. `tags` hold the stage tags and what the build came from."""

    model: str
    version: int
    digest: str
    tags: dict[str, str] = field(default_factory=dict)


def record_path(run: Path, name: str) -> Path:
    """Return where the record of a step stands in a run's folder."""
    return run / f"{name}.json"


def write_record(run: Path, name: str, record: Any) -> Path:
    """Write a record into a run's folder, whole or not at all, and return its path."""
    path = record_path(run, name)
    write_json(path, record)
    return path


def read_record(run: Path, name: str, cls: type[T]) -> T:
    """Read a record of a run. Raises ConfigError where the step before did not write it."""
    path = record_path(run, name)
    if not path.exists():
        raise ConfigError(f"{path}: is missing: run `python -m mlops {name.split('.')[0]}` in this run first")
    return read_json(cls, path)


def stage_tag(version: ModelVersion, stage: str) -> str | None:
    """Return `approved`, `revoked` or None: what the version's stage tag says."""
    return version.tags.get(stage)


def highest_approved(versions: Mapping[int, ModelVersion], stage: str) -> ModelVersion | None:
    """Return the version that a stage should serve: its highest approved one, versions compared as integers."""
    approved = [number for number, version in versions.items() if stage_tag(version, stage) == "approved"]
    return versions[max(approved)] if approved else None
