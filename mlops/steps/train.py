"""Train, export and evaluate a model, judge it against the champion, and register it if it passes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from mlops.config import REPOSITORY
from mlops.context import Context, git_commit
from mlops.errors import ConfigError
from mlops.loading import read_json
from mlops.names import JOB_FILE
from mlops.origin import encoded, here
from mlops.policy import exit_code
from mlops.ports import JobResult
from mlops.records import (
    DataRecord,
    ModelVersion,
    Outcome,
    RegisterRecord,
    SubmittedRecord,
    TrainRecord,
    highest_approved,
    read_record,
    record_path,
    write_record,
)

# What this step gives the job itself: release.json must tell the truth of them.
OWN_INPUTS = ("raw", "data_version", "git_commit", "stage", "origin", "champion", "champion_version")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the changes to the job's inputs."""
    parser.add_argument(
        "--set",
        metavar="INPUT=VALUE",
        action="append",
        default=[],
        help=f"an input of {JOB_FILE} in place of the stage file's (may be repeated)",
    )
    parser.add_argument("--reject-ok", action="store_true", help="exit 0 on a rejection too: no pipeline fails by it")
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument("--wait", action="store_true", help="follow the job to its end (default)")
    waiting.add_argument("--no-wait", action="store_true", help="start the job, print where it is seen, and end")
    waiting.add_argument("--job", metavar="NAME", help="take the verdict of a job that was not waited for")


def run(context: Context, options: argparse.Namespace) -> int:
    """Train on the run's data, and exit by the verdict on the model; without waiting, 0 where the job was started."""
    if options.job:
        record = collect(context, options.job)
    else:
        data, overrides = read_record(context.run, "data", DataRecord), read_overrides(options.set)
        if options.no_wait:
            submitted = submit(context, data, overrides)
            context.report(f"job {submitted.job}: goes on by itself: {submitted.link}")
            context.report(f"its verdict: `python -m mlops train --stage {context.stage.name} --job {submitted.job}`")
            return Outcome.PROMOTE
        record = train(context, data, overrides)
    code = _exit_by_verdict(context, record)
    return Outcome.PROMOTE if options.reject_ok and code == Outcome.REJECT else code


def train(context: Context, data: DataRecord, overrides: Mapping[str, str]) -> TrainRecord:
    """Run the training job on a data version, against the stage's champion, and record its steps and outputs.

    `overrides` take the place of the stage file's inputs. Raises JobError where a step of the job fails.
    """
    inputs = {**job_inputs(context, data, overrides), **_origin_input(context)}
    result = context.jobs.run(REPOSITORY / JOB_FILE, inputs, context.report)
    return _record(context, result, data.version, _champion_of(inputs))


def submit(context: Context, data: DataRecord, overrides: Mapping[str, str]) -> SubmittedRecord:
    """Start the training job as `train` does, and leave it. Raises ConfigError where the platform can't."""
    inputs = {**job_inputs(context, data, overrides), **_origin_input(context)}
    submitted = context.jobs.submit(REPOSITORY / JOB_FILE, inputs)
    record = SubmittedRecord(submitted.name, submitted.link, data.version, _champion_of(inputs))
    write_record(context.run, "submitted", record)
    return record


def collect(context: Context, job: str) -> TrainRecord:
    """Wait for a job of this stage that was started before, in this run or in another, and record it as `train` does.

    Raises JobError where it fails, or is another stage's.
    """
    result = context.jobs.result(job, context.report)
    return _record(context, result, result.inputs["data_version"], _champion_of(result.inputs))


def _record(context: Context, result: JobResult, data_version: str, champion: int | None) -> TrainRecord:
    record = TrainRecord(result.name, data_version, champion, result.steps, result.outputs)
    write_record(context.run, "train", record)
    return record


def _exit_by_verdict(context: Context, record: TrainRecord) -> int:
    registered = read_json(RegisterRecord, record_path(Path(record.outputs["registration"]), "register"))
    write_record(context.run, "register", registered)
    outcome = f"version {registered.version}" if registered.version else "nothing registered"
    context.report(f"{registered.model}: {outcome}: {registered.verdict.reason}")
    return exit_code(registered.verdict)


def _champion_of(inputs: Mapping[str, str]) -> int | None:
    champion = inputs.get("champion_version")
    return int(champion) if champion else None


def job_inputs(context: Context, data: DataRecord, overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the training job's inputs: the stage file's, with the overrides, and what this step gives itself."""
    stage = context.stage
    champion = highest_approved(context.registry.versions(stage.model), stage.name)
    return {
        **{name: str(value) for name, value in stage.train.items()},
        **overrides,
        **{"raw": data.path, "data_version": data.version, "git_commit": git_commit(), "stage": stage.name},
        **(_champion_inputs(context, champion) if champion else {}),
    }


def read_overrides(settings: list[str]) -> dict[str, str]:
    """Return INPUT=VALUE settings as a mapping. Raises ConfigError on one of another form, or that isn't the user's."""
    overrides = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise ConfigError(f"--set {setting}: should be INPUT=VALUE")
        if name in OWN_INPUTS:
            raise ConfigError(f"--set {setting}: '{name}' comes from the run and the stage: leave it out")
        overrides[name] = value
    return overrides


def _origin_input(context: Context) -> dict[str, str]:
    """Record where this training is started from, so that its end is told there; nothing outside CI."""
    origin = here()
    if origin is None:
        return {}
    write_record(context.run, "origin", origin)
    return {"origin": encoded(origin)}


def _champion_inputs(context: Context, champion: ModelVersion) -> dict[str, str]:
    """Fetch the champion's package, checked, and return the inputs that name it."""
    folder = context.run / "champion" / str(champion.version)
    package = context.registry.download(champion.model, champion.version, folder)
    return {"champion": str(package), "champion_version": str(champion.version)}
