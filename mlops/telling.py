"""How trainings ended, told to where they were started from; and which ones nobody was told of yet.

The training job tells its own end as its last step. A job that fails before that, or is cancelled, can't: Azure ML runs
nothing after a step that failed. A launcher around each step that reports its failure would need the code host's secret
in every training image, and still miss a node that dies, an image that can't be pulled, a cancelled job. So somebody
who runs by a clock, a monitor pipeline, asks for the jobs that ended: it costs no agent that waits. Where to tell it, a
job says itself, and whoever may submit one may write anything: the asker's token goes to the asker's own place alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops.context import Context
from mlops.errors import ConfigError, JobFailed, OutputMissing, StepError
from mlops.evaluation import Evaluation
from mlops.loading import read_json
from mlops.names import EVALUATION_FILE
from mlops.origin import decoded, here
from mlops.policy import single
from mlops.ports import EndedJob
from mlops.records import NotifyRecord, Origin, Outcome, RegisterRecord, record_path
from mlops.reporting import notice_key, notice_of, studio_link

UNKNOWN = "unknown"
WORDS = re.compile(r"[\w-]*")
PUBLIC = re.compile(r"https://(api\.github\.com|dev\.azure\.com|[\w-]+\.visualstudio\.com)(/.*)?")  # of an API


@dataclass(frozen=True)
class Ending:
    """What a training ended with; `evaluation` None: the figures can't be had."""

    registered: RegisterRecord
    evaluation: Evaluation | None


def end_of_job(context: Context, job: str, origin: Origin) -> Ending:
    """Return how a submitted job ended, once it has; one that failed before it judged its model says why.

    Raises StepError where its end can't be had now: that is no verdict on the training.
    """
    try:
        outputs = context.jobs.result(job, context.report).outputs
    except JobFailed as error:
        verdict = single("job", Outcome.ERROR, str(error))
        failed = RegisterRecord(context.stage.model, None, None, UNKNOWN, origin.commit, verdict)
        return Ending(_judged_before(context, job) or failed, None)
    registered = read_json(RegisterRecord, record_path(Path(outputs["registration"]), "register"))
    return Ending(registered, figures(outputs.get("evaluation")))


def _judged_before(context: Context, job: str) -> RegisterRecord | None:
    """Return the verdict of a job that failed when it had one: its model is registered, whatever came of its report."""
    try:
        return read_json(RegisterRecord, record_path(context.jobs.output(job, "registration"), "register"))
    except (ConfigError, OutputMissing):
        return None


def figures(folder: Path | str | None) -> Evaluation | None:
    """Return an evaluation, or None where it can't be had: the verdict alone is worth telling."""
    try:
        return read_json(Evaluation, Path(folder) / EVALUATION_FILE) if folder else None
    except ConfigError:
        return None


def tell(context: Context, ending: Ending, origin: Origin, job: str | None) -> NotifyRecord:
    """Show an ending at its origin, with the page of the job that is named. Raises StepError where it can't be."""
    page = studio_link(context.stage.azureml, job) if job and context.stage.platform == "azureml" else None
    notice = notice_of(context.stage.name, ending.registered, ending.evaluation, origin, page)
    url = context.notifier.report(notice, origin, context.secrets)
    return NotifyRecord(context.stage.report, True, notice.title, url)


def tell_unreported(context: Context, hours: float) -> dict[str, NotifyRecord]:
    """Tell how each job of the last hours ended of which nobody was told; return by job whether it arrived.

    Done again, it changes nothing that is shown. Raises ConfigError on a platform whose jobs end with who waits.
    """
    return {job: _told(context, job, origin) for job, origin in list(unreported(context, hours))}


def unreported(context: Context, hours: float) -> Iterator[tuple[str, Origin]]:
    """Yield the jobs whose end is to be told, and where.

    Of jobs that share a notice, as those of one schedule do, it is the last one's: its end was told over the others'.
    """
    last: dict[str, tuple[EndedJob, Origin]] = {}
    own = here()
    for job in context.jobs.ended(hours):
        origin = _origin(context, job, own)
        if origin is not None:
            last[f"{origin.repository} {notice_key(context.stage.model, context.stage.name, origin)}"] = job, origin
    for job, origin in last.values():
        if not _was_told(context, job):
            yield job.name, origin


def _origin(context: Context, job: EndedJob, own: Origin | None) -> Origin | None:
    if not job.inputs.get("origin"):
        return None
    try:
        origin = decoded(job.inputs["origin"])
        _expect_ours(origin, own)
    except ConfigError as error:
        context.report(f"job {job.name}: nobody can be told: {error}")
        return None
    return origin


def _expect_ours(origin: Origin, own: Origin | None) -> None:
    """Raise ConfigError where our token has no business: at another place than our own, by hand at an unknown host."""
    if not WORDS.fullmatch(f"{origin.commit}{origin.pull_request}{origin.run}"):  # they stand in addresses
        raise ConfigError("--origin: commit, pull request and run should be letters and digits")
    if own is None and not PUBLIC.fullmatch(origin.api):
        where = "outside CI a token goes to GitHub's and Azure DevOps' own addresses: run this in a pipeline"
    elif own is not None and _place(origin) != _place(own):
        where = f"this pipeline's token is for {_shown(own)} alone"
    else:
        return
    raise ConfigError(f"--origin: names {_shown(origin)}, and {where}")


def _place(origin: Origin) -> tuple[str, str, str, str]:
    return origin.host, origin.api, origin.project, origin.repository


def _shown(origin: Origin) -> str:
    """Return where an origin is, in one line, whatever it calls itself."""
    return " ".join(f"{origin.project} {origin.repository} at {origin.api}".split())


def _was_told(context: Context, job: EndedJob) -> bool:
    if not job.is_completed:
        return False
    try:
        return read_json(NotifyRecord, record_path(context.jobs.output(job.name, "notification"), "notify")).delivered
    except StepError as error:
        context.report(f"job {job.name}: is told again, since what it told is unknown: {error}")
        return False


def _told(context: Context, job: str, origin: Origin) -> NotifyRecord:
    try:
        return tell(context, end_of_job(context, job, origin), origin, job)
    except StepError as error:
        return NotifyRecord(context.stage.report, False, str(error), None)
