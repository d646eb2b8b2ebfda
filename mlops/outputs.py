"""What later jobs of a pipeline need to know of a run: read from its records, so that nothing is resolved twice.

All names are always given, with an empty value where no record says it. The outcome is that of the last step that
judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlops.errors import ConfigError
from mlops.loading import read_json
from mlops.names import stage_record
from mlops.records import (
    DeployRecord,
    Origin,
    Outcome,
    PackageRecord,
    PromoteRecord,
    RegisterRecord,
    RollbackRecord,
    SubmittedRecord,
    TrainRecord,
    Verdict,
    VerifyRecord,
    record_path,
)

T = TypeVar("T")
NAMES = ("version", "digest", "runtime_image", "model_image", "outcome", "job", "link")
SUBMITTED = "submitted"


@dataclass(frozen=True)
class Found:
    """The records of a run that concern a stage; None where a step did not write its own."""

    submitted: SubmittedRecord | None
    train: TrainRecord | None
    gate: Verdict | None
    register: RegisterRecord | None
    promote: PromoteRecord | None
    package: PackageRecord | None
    deploy: DeployRecord | None
    verify: VerifyRecord | None
    rollback: RollbackRecord | None
    origin: Origin | None


def read_records(run: Path, stage: str) -> Found:
    """Return the records of a run. Raises ConfigError where there is none of this stage, or one is damaged."""
    found = Found(
        submitted=_read(run, "submitted", SubmittedRecord),
        train=_read(run, "train", TrainRecord),
        gate=_read(run, "gate", Verdict),
        register=_read(run, "register", RegisterRecord),
        promote=_read(run, stage_record("promote", stage), PromoteRecord),
        package=_read(run, stage_record("package", stage), PackageRecord),
        deploy=_read(run, stage_record("deploy", stage), DeployRecord),
        verify=_read(run, stage_record("verify", stage), VerifyRecord),
        rollback=_read(run, stage_record("rollback", stage), RollbackRecord),
        origin=_read(run, "origin", Origin),
    )
    if all(value is None for name, value in vars(found).items() if name != "origin"):
        raise ConfigError(f"{run}: holds no record of {stage}: run its steps with this --run, or carry the folder here")
    return found


def outputs_of(found: Found) -> dict[str, str]:
    """Return the values by name. Raises ConfigError where the records are of two versions."""
    version, digest = _version(found)
    if found.package and version and str(found.package.version) != version:
        raise ConfigError(f"version {version} is released, but version {found.package.version} was packaged: run anew")
    images = found.package.images if found.package else {}
    started = found.train or found.submitted
    job, link = started.job if started else "", _link(found)
    values = (version, digest, images.get("runtime", ""), images.get("model", ""), _outcome(found), job, link)
    return dict(zip(NAMES, values, strict=True))


def _version(found: Found) -> tuple[str, str]:
    """Return the version that the run is about, and its digest: what was let in, else what was registered or serves."""
    if found.rollback:
        return str(found.rollback.served), ""
    told = found.promote or found.register or found.deploy or found.package
    if told is None or told.version is None:
        return (str(found.verify.version) if found.verify else ""), ""
    return str(told.version), told.digest or ""


def _outcome(found: Found) -> str:
    if found.rollback:
        return Outcome.PROMOTE.name.lower()  # it is recorded when the version before serves
    told = (found.verify, found.deploy, found.promote, found.register)
    verdicts = [record.verdict for record in told if record] + ([found.gate] if found.gate else [])
    if not verdicts and found.submitted and not found.train:
        return SUBMITTED
    return verdicts[0].outcome if verdicts else ""


def _link(found: Found) -> str:
    if found.submitted:
        return found.submitted.link
    return (found.origin.link if found.origin else None) or ""


def _read(run: Path, name: str, cls: type[T]) -> T | None:
    path = record_path(run, name)
    return read_json(cls, path) if path.exists() else None
