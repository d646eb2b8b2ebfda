"""Looks at a stage as a monitor does, area by area, and lets each cause be one open issue where people work.

An area that could not be looked at is a finding itself, and says nothing of what is open in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops.context import Context
from mlops.errors import BusyError, StepError
from mlops.issues import Tracker
from mlops.monitoring import (
    DRIFT,
    HEALTH,
    PREFLIGHT,
    TRAININGS,
    Finding,
    drifted,
    finding,
    gone,
    issue_of,
    judge_errors,
    rotten,
    unwell,
)
from mlops.ports import DECLARED, UNSEEN, CheckLine, DeploymentStatus, Secrets
from mlops.records import ModelVersion, Origin, RuleResult, highest_approved
from mlops.rollout import inspect
from mlops.summaries import read_summaries
from mlops.telling import tell_unreported
from mlops.verification import judge_digest

UNREACHED = "not-looked-at"


@dataclass(frozen=True)
class Limits:
    """How much is too much: `hours` looked back, PSI of drift, the share of live requests that failed."""

    hours: float
    psi: float
    errors: float


@dataclass(frozen=True)
class Watch:
    """What was found, and which areas were looked at whole."""

    findings: tuple[Finding, ...]
    areas: tuple[str, ...]


def look(context: Context, preflight: Callable[[], Sequence[CheckLine]], drift: Sequence[str], limits: Limits) -> Watch:
    """Return what is wrong with a stage; `drift` are the sources of the streams' summaries. Nothing is raised."""
    stage = context.stage.name
    looks: dict[str, Callable[[], list[Finding]]] = {
        PREFLIGHT: lambda: rotten(stage, preflight()),
        HEALTH: lambda: unwell(stage, _health(context, limits.errors)),
        TRAININGS: lambda: _trainings(context, limits.hours),
    }
    if drift:
        looks[DRIFT] = lambda: _drift(stage, drift, limits)
    found: list[Finding] = []
    whole: list[str] = []
    for area, see in looks.items():
        try:
            found += see()
            whole.append(area)
        except BusyError as error:
            context.report(f"{stage}: {area}: not looked at: {error}")
        except StepError as error:
            found.append(finding(stage, area, UNREACHED, f"{area}: can't be looked at", (str(error),)))
    return Watch(tuple(found), tuple(whole))


def settle(context: Context, tracker: Tracker, watch: Watch, origin: Origin, secrets: Secrets) -> None:
    """Let the open issues of the stage be those of the watch. Raises StepError where the tracker does not take it."""
    seen_by = origin.link or f"run {origin.run}"
    for found in watch.findings:
        page = tracker.show(issue_of(found, seen_by), origin, secrets)
        context.report(f"{found.title}: {page or 'is shown'}")
    for key in gone(tracker.opened(origin, secrets), context.stage.name, watch.areas, watch.findings):
        tracker.close(key, f"Gone: not found again by {seen_by}.", origin, secrets)
        context.report(f"{key}: is gone: closed")


def _health(context: Context, most_errors: float) -> list[RuleResult]:
    """Return what the endpoint's rules say. Raises BusyError where a release goes on that may explain it."""
    stage = context.stage
    desired = highest_approved(context.registry.versions(stage.model), stage.name)
    if desired is None:
        context.report(f"{stage.name}: {HEALTH}: no version is approved: nothing should serve")
        return []
    rules = _rules(context, desired, most_errors)
    if any(rule.outcome != "promote" for rule in rules):
        with context.target.lock():  # taken only where something is wrong, and given back at once
            pass
    return rules


def _rules(context: Context, desired: ModelVersion, most_errors: float) -> list[RuleResult]:
    try:
        status = context.target.status()
        deployment = status.deployments.get(desired.version)
        counts = (deployment.requests, deployment.errors) if deployment else (0, 0)
        serves = status.traffic == {desired.version: 100}
        told = f"version {desired.version} is approved; traffic is {status.traffic}"
        rules = [RuleResult("traffic", "promote" if serves else "reject", told), judge_errors(*counts, most_errors)]
        if deployment and _works_by_jobs(deployment):
            return [*rules, judge_digest(deployment, desired.digest)]  # a job a look costs more than it tells
        return [*rules, *inspect(context, desired, None, counts).rules]
    except BusyError:
        raise
    except StepError as error:
        return [RuleResult("answer", "error", str(error))]


def _works_by_jobs(deployment: DeploymentStatus) -> bool:
    return not deployment.is_online and deployment.state not in (DECLARED, UNSEEN)


def _drift(stage: str, sources: Sequence[str], limits: Limits) -> list[Finding]:
    summaries = [one for source in sources for one in read_summaries(source)]
    return drifted(stage, summaries, limits.hours, time.time(), limits.psi)


def _trainings(context: Context, hours: float) -> list[Finding]:
    """Tell what ended and told nobody, and return what could not be told."""
    if context.stage.report == "none" or context.stage.platform == "local":
        return []
    records = tell_unreported(context, hours)
    for job, record in records.items():
        context.report(f"job {job}: {'' if record.delivered else 'not delivered: '}{record.reason}")
    lost = [f"{job}: {record.reason}" for job, record in records.items() if not record.delivered]
    title = "trainings ended and nobody could be told"
    return [finding(context.stage.name, TRAININGS, "untold", title, lost)] if lost else []
