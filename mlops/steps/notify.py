"""Tell a training's verdict to where it was started from. The training job does so last; by hand it is told again.

In the job it exits with 0 whatever comes of it: the model is trained, judged and registered by then. notify.json says
whether the verdict arrived. Without --registration it is read from the run that `train` recorded, and an exit code of 1
says that it did not arrive.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mlops.context import Context
from mlops.errors import ConfigError, StepError
from mlops.loading import read_json
from mlops.names import EVALUATION_FILE
from mlops.origin import decoded
from mlops.records import (
    Evaluation,
    NotifyRecord,
    Origin,
    Outcome,
    RegisterRecord,
    TrainRecord,
    read_record,
    record_path,
    write_record,
)
from mlops.reporting import notice_of, studio_link


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the verdict is, and where it goes."""
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
        registered = _registered(context, options)
        notice = notice_of(context.stage.name, registered, _evaluation(context, options), origin, _page(context))
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
    return read_json(Origin, path) if path.exists() else None


def _registered(context: Context, options: argparse.Namespace) -> RegisterRecord:
    folder = options.registration or context.run
    if not record_path(folder, "register").exists():
        raise ConfigError(f"{folder}: holds no verdict: wait for its training to end, or name --registration")
    return read_record(folder, "register", RegisterRecord)


def _evaluation(context: Context, options: argparse.Namespace) -> Evaluation | None:
    """Return the figures, or None where they can't be had: the verdict alone is worth telling."""
    try:
        folder = options.evaluation or Path(read_record(context.run, "train", TrainRecord).outputs["evaluation"])
        return read_json(Evaluation, folder / EVALUATION_FILE)
    except (ConfigError, KeyError):
        return None


def _page(context: Context) -> str | None:
    """Return the page of the job that this is a step of, or that the run recorded."""
    if context.stage.platform != "azureml":
        return None
    job = os.environ.get("AZUREML_ROOT_RUN_ID") or os.environ.get("AZUREML_RUN_ID")
    if not job and record_path(context.run, "train").exists():
        job = read_record(context.run, "train", TrainRecord).job
    return studio_link(context.stage.azureml, job) if job else None
