"""Let the training pipeline start by itself: by the stage file's cron, and once for each new data version.

The schedule holds what this run publishes, its data version and its commit: run it after `data`, for new data and for
new code. The champion it does not hold: each training asks for it when it runs. Its trainings come from the commit that
it was published from, and their verdicts are told there as `report` says: each takes the place of the last one. They
come from no pull request and no build, which ended long before. Published outside CI, where no repository is known,
they tell nobody.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from mlops.config import REPOSITORY
from mlops.context import Context
from mlops.errors import ConfigError
from mlops.names import JOB_FILE
from mlops.origin import encoded, here
from mlops.ports import ScheduleStatus
from mlops.records import DataRecord, Outcome, read_record, write_record
from mlops.steps.train import job_inputs

LOCAL = "local"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what else may be done to a schedule than to publish it."""
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--pause", dest="action", action="store_const", const="pause", help="start nothing for now")
    others.add_argument("--resume", dest="action", action="store_const", const="resume", help="go on after --pause")
    others.add_argument("--remove", dest="action", action="store_const", const="remove", help="delete the schedule")


def run(context: Context, options: argparse.Namespace) -> int:
    """Publish, pause, resume or remove the stage's schedule, and say how it stands."""
    _expect_a_scheduler(context)
    if options.action == "remove":
        context.scheduler.remove()
        context.report(f"{context.stage.name}: has no schedule now; jobs that it started go on")
        return Outcome.PROMOTE
    record = publish(context) if options.action is None else getattr(context.scheduler, options.action)()
    context.report(_told(record))
    return Outcome.PROMOTE


def publish(context: Context) -> ScheduleStatus:
    """Publish the schedule with the run's data version; start the job of a new data version.

    Raises ConfigError where the run has no data or the stage file no valid time, JobError where the platform refuses.
    """
    retraining = context.stage.azureml.retraining
    data = read_record(context.run, "data", DataRecord)
    inputs = {**job_inputs(context, data, {}), **_origin_input()}
    record = context.scheduler.publish(REPOSITORY / JOB_FILE, inputs)
    write_record(context.run, "schedule", record)
    if retraining.on_new_data:
        context.scheduler.start_once(REPOSITORY / JOB_FILE, inputs, context.report)
    return record


def _origin_input() -> dict[str, str]:
    """Return the repository and the commit as the origin of trainings to come; nothing outside CI."""
    origin = here()
    return {"origin": encoded(replace(origin, pull_request=None, run="", link=None))} if origin else {}


def _expect_a_scheduler(context: Context) -> None:
    name = context.stage.name
    if context.stage.platform == LOCAL:
        raise ConfigError(
            f"mlops/stages/{name}.yaml: platform local keeps no schedule: let cron or CI run `python -m mlops data "
            f"--stage {name} --run ID && python -m mlops train --stage {name} --run ID`"
        )


def _told(record: ScheduleStatus) -> str:
    if record.name is None:
        return f"{record.stage}: no schedule: azureml.retraining.cron is null"
    state = "on" if record.is_enabled else "paused"
    return f"{record.stage}: {record.name}: {record.cron} ({record.time_zone}), {state}"
