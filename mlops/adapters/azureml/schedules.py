"""Scheduler on Azure ML: the training pipeline as a schedule by cron, and one job for each new data version.

A schedule holds its job as it was published: the data version and the code. Publishing again brings them up to date.
Azure ML has no trigger for new data, so a job whose name tells the data version takes its place: it is started once,
however often and by whomever that is asked. It knows no run folder and no registry.

Source: learn.microsoft.com, "Schedule machine learning pipeline jobs".
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.adapters.azureml.failures import explained, status_of
from mlops.adapters.azureml.pipelinejob import own_tags, pipeline_job, snapshots
from mlops.adapters.azureml.uploads import over_leftovers
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import JobError
from mlops.jobfile.triggers import check_cron, check_time_zone
from mlops.names import TAG_DATA_VERSION
from mlops.places import Retraining
from mlops.ports import ScheduleStatus

if TYPE_CHECKING:
    from azure.ai.ml.entities import JobSchedule
    from azure.core.polling import LROPoller

# Without a start the first job would run at once; with one that is past it waits for its time.
STARTED = "2026-01-01T00:00:00"


@dataclass(frozen=True)
class AzureScheduler:
    """The schedule of a stage's training in its workspace."""

    stage: Stage

    @property
    def name(self) -> str:
        """Return the schedule's name."""
        return f"{self.stage.model}-{self.stage.name}-retraining"

    def publish(self, job_file: Path, inputs: Mapping[str, str]) -> ScheduleStatus:
        """Make the schedule that the stage file wants, or change it to that; one that is paused stays paused.

        Where the file has no cron, there is none afterwards. Raises ConfigError on a cron or time zone that Azure ML
        would not run as it reads, JobError where Azure refuses.
        """
        wanted = self.stage.azureml.retraining
        self._check(wanted)
        if wanted.cron is None:
            self.remove()
            return self._record(None)
        with explained(f"schedule {self.name}", JobError):
            known = self._found()
            schedule = self._schedule(wanted, job_file, inputs)
            schedule._is_enabled = known is None or known.is_enabled
            begin = client_of(self.stage).schedules.begin_create_or_update
            with snapshots(schedule.create_job):
                return self._record(_waited(lambda: over_leftovers(lambda: begin(schedule))))

    def pause(self) -> ScheduleStatus:
        """Let the schedule start nothing until it is resumed. Raises JobError where there is none."""
        return self._switch(False)

    def resume(self) -> ScheduleStatus:
        """Let a paused schedule start jobs again, at its next time. Raises JobError where there is none."""
        return self._switch(True)

    def remove(self) -> None:
        """Delete the schedule, if there is one; the jobs that it started stay. Raises JobError."""
        with explained(f"schedule {self.name}", JobError):
            if self._found() is not None:
                _waited(lambda: client_of(self.stage).schedules.begin_delete(self.name))

    def start_once(self, job_file: Path, inputs: Mapping[str, str], report: Callable[[str], None]) -> None:
        """Start the job for the inputs' data version, without waiting, unless that was done or is paused; tell which.

        A job that was started and failed is not started again: `mlops train` does that. Raises JobError.
        """
        name = f"{self.stage.model}-{self.stage.name}-{inputs[TAG_DATA_VERSION]}"
        with explained(f"job {name}", JobError):
            known, schedule = self._job(name), self._found()
            if known is not None:
                report(f"job {name}: was started before, and is {known.status.lower()}")
            elif schedule is not None and not schedule.is_enabled:
                report(f"job {name}: is not started, since {self.name} is paused")
            else:
                job = pipeline_job(self.stage, job_file, inputs)
                job.name = name
                with snapshots(job):
                    started = over_leftovers(lambda: client_of(self.stage).jobs.create_or_update(job))
                report(f"job {name}: started: {started.studio_url}")

    def _check(self, wanted: Retraining) -> None:
        where = f"mlops/stages/{self.stage.name}.yaml: azureml.retraining"
        check_time_zone(wanted.time_zone, where)
        if wanted.cron is not None:
            check_cron(wanted.cron, where)

    def _schedule(self, wanted: Retraining, job_file: Path, inputs: Mapping[str, str]) -> JobSchedule:
        from azure.ai.ml.entities import CronTrigger, JobSchedule

        trigger = CronTrigger(expression=wanted.cron or "", start_time=STARTED, time_zone=wanted.time_zone)
        job = pipeline_job(self.stage, job_file, inputs)
        tags = {TAG_DATA_VERSION: inputs[TAG_DATA_VERSION], **own_tags(self.stage)}
        return JobSchedule(name=self.name, display_name=job.display_name, trigger=trigger, create_job=job, tags=tags)

    def _switch(self, is_enabled: bool) -> ScheduleStatus:
        with explained(f"schedule {self.name}", JobError):
            known = self._found()
            if known is None:
                raise JobError(
                    f"schedule {self.name}: is not there: run `python -m mlops schedule --stage {self.stage.name}`"
                )
            if known.is_enabled != is_enabled:
                schedules = client_of(self.stage).schedules
                switch = schedules.begin_enable if is_enabled else schedules.begin_disable
                known = _waited(lambda: switch(self.name))
            return self._record(known)

    def _found(self) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return client_of(self.stage).schedules.get(self.name)
        except ResourceNotFoundError:
            return None

    def _job(self, name: str) -> Any:
        try:
            return client_of(self.stage).jobs.get(name)
        except Exception as error:
            if status_of(error) == 404:
                return None
            raise

    def _record(self, known: Any) -> ScheduleStatus:
        if known is None:
            return ScheduleStatus(self.stage.name, None, None, None, False)
        trigger = known.trigger
        return ScheduleStatus(self.stage.name, known.name, trigger.expression, trigger.time_zone, known.is_enabled)


def open_scheduler(stage: Stage) -> AzureScheduler:
    """Return the scheduler of the stage's workspace."""
    return AzureScheduler(stage)


def _waited(begin: Callable[[], LROPoller[Any]]) -> Any:
    # The SDK prints a dot for each poll, into what the step says.
    with contextlib.redirect_stdout(io.StringIO()):
        return begin().result()
