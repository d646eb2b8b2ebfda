"""Tell a training's verdict to where it was started from. The training job does so last; by hand it is told again.

In the job it exits with 0 whatever comes of it: the model is trained, judged and registered by then. notify.json says
whether the verdict arrived. Without --registration it is read from the run that `train` recorded, or with --job from
the platform's job, whose failure is told, too; an exit code of 1 then says that it did not arrive.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from mlops.context import Context
from mlops.errors import ConfigError, JobError, StepError
from mlops.loading import read_json
from mlops.names import EVALUATION_FILE
from mlops.origin import decoded
from mlops.policy import single
from mlops.evaluation import Evaluation
from mlops.records import (
    NotifyRecord,
    Origin,
    Outcome,
    RegisterRecord,
    SubmittedRecord,
    TrainRecord,
    read_record,
    record_path,
    write_record,
)
from mlops.reporting import notice_of, studio_link

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Ending:
    """What a training ended with; `evaluation` None: the figures can't be had."""

    registered: RegisterRecord
    evaluation: Evaluation | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the verdict is, and where it goes."""
    parser.add_argument("--job", help="a job that was submitted: it is waited for, and its end told")
    parser.add_argument("--registration", type=Path, help="folder that register wrote (default: the run's)")
    parser.add_argument("--evaluation", type=Path, help="folder that evaluate wrote (default: the run's)")
    parser.add_argument("--origin", help="where the training was started from, as train wrote it (default: the run's)")
    parser.add_argument("--out", type=Path, help="folder for notify.json (default: the run's)")


def run(context: Context, options: argparse.Namespace) -> int:
    """Tell it, and say in one line whether it arrived."""
    is_in_job = options.registration is not None
    record = notify(context, options)
    write_record(options.out or context.run, "notify", record)
    if record.delivered:
        context.report(f"{record.where}: {record.reason}" + (f": {record.url}" if record.url else ""))
        return Outcome.PROMOTE
    again = _again(context, options) if is_in_job else ""
    context.report(f"not delivered to {record.where}: {record.reason}{again}")
    return Outcome.PROMOTE if is_in_job else Outcome.ERROR


def notify(context: Context, options: argparse.Namespace) -> NotifyRecord:
    """Return whether the verdict arrived; what keeps it from arriving is said, not raised."""
    where = context.stage.report
    try:
        origin = _origin(context, options)
        if where == "none" or origin is None:
            why = "the stage file reports nowhere" if where == "none" else "started outside CI: nobody to tell"
            return NotifyRecord(where, True, why, None)
        job = options.job or _submitted(context, options)
        ending = _end_of_job(context, job, origin) if job else _recorded_end(context, options)
        page = _page(context, job)
        notice = notice_of(context.stage.name, ending.registered, ending.evaluation, origin, page)
        url = context.notifier.report(notice, origin, context.secrets)
    except StepError as error:
        return NotifyRecord(where, False, str(error), None)
    return NotifyRecord(where, True, notice.title, url)


def _again(context: Context, options: argparse.Namespace) -> str:
    """Return how to send it again, from where the training was started."""
    try:
        run = decoded(options.origin or "").run or "ID"
    except ConfigError:
        run = "ID"
    return f": send it again by `python -m mlops notify --stage {context.stage.name} --run {run}`"


def _origin(context: Context, options: argparse.Namespace) -> Origin | None:
    if options.origin:
        return decoded(options.origin)
    path = record_path(context.run, "origin")
    if options.job and not path.exists():
        raise ConfigError(f"{path}: is missing: name the training's --run, or its --origin")
    return read_json(Origin, path) if path.exists() else None


def _submitted(context: Context, options: argparse.Namespace) -> str | None:
    """Return the job that the run submitted and whose verdict it has not taken yet, None where there is none."""
    path = record_path(context.run, "submitted")
    if options.registration or not path.exists() or record_path(context.run, "register").exists():
        return None
    return read_json(SubmittedRecord, path).job


def _recorded_end(context: Context, options: argparse.Namespace) -> Ending:
    folder = options.registration or context.run
    if not record_path(folder, "register").exists():
        raise ConfigError(f"{folder}: holds no verdict: name --job, or wait for its training to end")
    registered, trained = read_record(folder, "register", RegisterRecord), record_path(context.run, "train")
    outputs = read_json(TrainRecord, trained).outputs if trained.exists() else {}
    return Ending(registered, _figures(options.evaluation or outputs.get("evaluation")))


def _end_of_job(context: Context, job: str, origin: Origin) -> Ending:
    """Return how a submitted job ended; one that failed could not judge its model, and says why."""
    try:
        outputs = context.jobs.result(job, context.report).outputs
    except JobError as error:
        verdict = single("job", Outcome.ERROR, str(error))
        return Ending(RegisterRecord(context.stage.model, None, None, UNKNOWN, origin.commit, verdict), None)
    registered = read_json(RegisterRecord, record_path(Path(outputs["registration"]), "register"))
    return Ending(registered, _figures(outputs.get("evaluation")))


def _figures(folder: Path | str | None) -> Evaluation | None:
    """Return an evaluation, or None where it can't be had: the verdict alone is worth telling."""
    try:
        return read_json(Evaluation, Path(folder) / EVALUATION_FILE) if folder else None
    except ConfigError:
        return None


def _page(context: Context, job: str | None) -> str | None:
    """Return the page of the job that is named, that this is a step of, or that the run recorded."""
    if context.stage.platform != "azureml":
        return None
    job = job or os.environ.get("AZUREML_ROOT_RUN_ID") or os.environ.get("AZUREML_RUN_ID")
    if not job and record_path(context.run, "train").exists():
        job = read_record(context.run, "train", TrainRecord).job
    return studio_link(context.stage.azureml, job) if job else None
