"""Tell a training's verdict to where it was started from. The training job does so last; by hand it is told again.

In the job it exits with 0 whatever comes of it: the model is trained, judged and registered by then. notify.json says
whether the verdict arrived. Without --registration it is read from the run that `train` recorded, or with --job from
the platform's job, whose failure is told, too; an exit code of 1 then says that it did not arrive.

With --unreported it looks for the stage's jobs that ended and told nobody, as one that failed before its last step or
was cancelled, and tells each: run it by a clock, and --since longer than the longest training. It may be repeated.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mlops.context import Context
from mlops.errors import ConfigError, StepError
from mlops.loading import read_json
from mlops.origin import decoded
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
from mlops.telling import Ending, end_of_job, figures, tell, tell_unreported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the verdict is, and where it goes."""
    jobs = parser.add_mutually_exclusive_group()
    jobs.add_argument("--job", help="a job that was submitted: it is waited for, and its end told")
    jobs.add_argument("--unreported", action="store_true", help="each job that ended and told nobody")
    since = "of jobs started in the last hours (default: 48)"
    parser.add_argument("--since", metavar="HOURS", type=float, default=48.0, help=f"with --unreported: {since}")
    parser.add_argument("--registration", type=Path, help="folder that register wrote (default: the run's)")
    parser.add_argument("--evaluation", type=Path, help="folder that evaluate wrote (default: the run's)")
    parser.add_argument("--origin", help="where the training was started from, as train wrote it (default: the run's)")
    parser.add_argument("--out", type=Path, help="folder for notify.json (default: the run's)")


def run(context: Context, options: argparse.Namespace) -> int:
    """Tell it, and say in one line whether it arrived."""
    if options.unreported:
        return _run_unreported(context, options.since)
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
        ending = end_of_job(context, job, origin) if job else _recorded_end(context, options)
        return tell(context, ending, origin, job or _job(context))
    except StepError as error:
        return NotifyRecord(where, False, str(error), None)


def _run_unreported(context: Context, hours: float) -> int:
    """Tell what was not told, with a record for each job; exit by whether all of it arrived."""
    if context.stage.report == "none":
        context.report("none: the stage file reports nowhere")
        return Outcome.PROMOTE
    records = tell_unreported(context, hours)
    for job, record in records.items():
        write_record(context.run, f"notify.{job}", record)
        arrived = "" if record.delivered else "not delivered: "
        context.report(f"{record.where}: job {job}: {arrived}{record.reason}")
    if not records:
        context.report(f"{context.stage.report}: all that ended in {hours:g} hours was told")
    return Outcome.PROMOTE if all(record.delivered for record in records.values()) else Outcome.ERROR


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
    return Ending(registered, figures(options.evaluation or outputs.get("evaluation")))


def _job(context: Context) -> str | None:
    """Return the job that this is a step of, or that the run recorded."""
    job = os.environ.get("AZUREML_ROOT_RUN_ID") or os.environ.get("AZUREML_RUN_ID")
    if not job and record_path(context.run, "train").exists():
        job = read_record(context.run, "train", TrainRecord).job
    return job
