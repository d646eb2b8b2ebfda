"""The errors that end a step, and the exit code of each. Whatever else is raised is a defect (exit code 3)."""

from __future__ import annotations


class StepError(Exception):
    """Something a person can act on. The message is one line: what, where, what to do.

    `status` is the HTTP status of the service that refused, where one did.
    """

    status: int | None = None


class ConfigError(StepError):
    """A file of ours (stage, job, record) that says something we don't know or lacks something we need."""


class RegistryError(StepError):
    """The registry can't do what was asked."""


class JobError(StepError):
    """A job can't be started, followed or fetched from, or it failed (JobFailed)."""


class JobFailed(JobError):
    """A job's own end: a step of it failed, or somebody cancelled it. The message holds the failing step's last lines.

    A job that can't be asked for has not ended by that.
    """


class OutputMissing(JobError):
    """A job made no such output; where it may have, and can't be asked, that is a JobError."""


class DeployError(StepError):
    """A deployment never got ready, by its own fault: the version is bad, not the target."""


class TargetError(StepError):
    """A target can't be reached or does not do what it is told: no version is to blame."""


class BusyError(StepError):
    """Somebody else is changing the same endpoint now."""
