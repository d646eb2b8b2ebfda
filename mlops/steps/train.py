"""Train, export and evaluate a model, judge it against the champion, and register it if it passes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from mlops.config import REPOSITORY
from mlops.context import Context, git_commit
from mlops.errors import ConfigError, JobError, JobFailed
from mlops.loading import read_json
from mlops.names import JOB_FILE
from mlops.origin import encoded, here
from mlops.policy import exit_code
from mlops.ports import JobResult, Submitted
from mlops.records import (
    DataRecord,
    Outcome,
    RegisterRecord,
    SubmittedRecord,
    TrainRecord,
    read_record,
    record_path,
    write_record,
)
from mlops.reporting import studio_link
from mlops.telling import figures

# What this step gives the job itself: release.json must tell the truth of them.
OWN_INPUTS = ("raw", "data_version", "git_commit", "stage", "origin")


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

    `overrides` take the place of the stage file's inputs. A job of the same inputs that this run started before, and
    whose end it never saw, is waited for instead of another. Raises JobFailed where a step of the job fails.
    """
    inputs = job_inputs(context, data, overrides)
    path = record_path(context.run, "submitted")
    try:
        result = _taken_up(context, inputs) or _run(context, inputs)
    except JobFailed:
        path.unlink(missing_ok=True)
        raise
    record = _record(context, result, data.version)
    path.unlink(missing_ok=True)
    return record


def _run(context: Context, inputs: Mapping[str, str]) -> JobResult:
    """Run the job, known to the run while it goes on: whoever kills this process does not end it."""

    def note(job: str) -> None:
        _note(context, Submitted(job, studio_link(context.stage.azureml, job) or ""), inputs)

    try:
        given = {**inputs, **_origin_input(context)}
        return context.jobs.run(REPOSITORY / JOB_FILE, given, context.report, note)
    except KeyboardInterrupt:  # by which the job is cancelled
        record_path(context.run, "submitted").unlink(missing_ok=True)
        raise


def _taken_up(context: Context, inputs: Mapping[str, str]) -> JobResult | None:
    """Wait for the job of these inputs that this run started before; None where there is none."""
    path = record_path(context.run, "submitted")
    known = read_json(SubmittedRecord, path) if path.exists() else None
    if known is None:
        return None
    if known.inputs != dict(inputs):
        context.report(f"job {known.job}: was started by this run of other inputs, and is left alone: {known.link}")
        return None
    context.report(f"job {known.job}: was started by this run before: {known.link}")
    try:
        return context.jobs.result(known.job, context.report)
    except JobError as error:
        if error.status == 404:  # whoever was to submit it was killed first
            return None
        raise


def _note(context: Context, job: Submitted, inputs: Mapping[str, str]) -> SubmittedRecord:
    record = SubmittedRecord(job.name, job.link, inputs["data_version"], dict(inputs))
    write_record(context.run, "submitted", record)
    return record


def submit(context: Context, data: DataRecord, overrides: Mapping[str, str]) -> SubmittedRecord:
    """Start the training job as `train` does, and leave it. Raises ConfigError where the platform can't."""
    inputs = job_inputs(context, data, overrides)
    submitted = context.jobs.submit(REPOSITORY / JOB_FILE, {**inputs, **_origin_input(context)})
    return _note(context, submitted, inputs)


def collect(context: Context, job: str) -> TrainRecord:
    """Wait for a job of this stage that was started before, in this run or in another, and record it as `train` does.

    Its end is known then: `train` starts another. Raises JobFailed where it fails, JobError where it is another stage's
    or model's.
    """
    try:
        result = context.jobs.result(job, context.report)
    except JobFailed:
        _forget(context, job)
        raise
    record = _record(context, result, result.inputs["data_version"])
    _forget(context, job)
    return record


def _forget(context: Context, job: str) -> None:
    path = record_path(context.run, "submitted")
    if path.exists() and read_json(SubmittedRecord, path).job == job:
        path.unlink(missing_ok=True)


def _record(context: Context, result: JobResult, data_version: str) -> TrainRecord:
    evaluation = figures(result.outputs.get("evaluation"))
    champion = evaluation.champion.version if evaluation and evaluation.champion else None
    record = TrainRecord(result.name, data_version, champion, result.steps, result.outputs)
    write_record(context.run, "train", record)
    return record


def _exit_by_verdict(context: Context, record: TrainRecord) -> int:
    registered = read_json(RegisterRecord, record_path(Path(record.outputs["registration"]), "register"))
    write_record(context.run, "register", registered)
    outcome = f"version {registered.version}" if registered.version else "nothing registered"
    context.report(f"{registered.model}: {outcome}: {registered.verdict.reason}")
    return exit_code(registered.verdict)


def job_inputs(context: Context, data: DataRecord, overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the training job's inputs: the stage file's, with the overrides, and what this step gives itself."""
    stage = context.stage
    return {
        **{name: str(value) for name, value in stage.train.items()},
        **overrides,
        **{"raw": data.path, "data_version": data.version, "git_commit": git_commit(), "stage": stage.name},
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
