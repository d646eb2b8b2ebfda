"""The section on the clients' requests: who answered them while versions came and went, and how many failed."""

from __future__ import annotations

from collections.abc import Sequence

from mlops.records import DeployRecord
from mlops.report import words
from mlops.report.collect import Run
from mlops.report.layout import chart, facts, legend, section
from mlops.report.markup import Markup, element
from mlops.report.story import BAD, GOOD, PLAIN, TURNED, last_deployment, rollback_of
from mlops.report.timecharts import Moment, traffic_chart
from mlops.report.traffic import Log, Request, answers, put_into_bins
from mlops.report.view import View

LEAST_AROUND = 5.0  # seconds
AROUND = 0.15  # of the time between the first move of traffic and the last


def traffic_section(view: View) -> Markup | None:
    """Return who answered the clients over time, the releases marked, and how many requests failed."""
    log, load = view.run.log, view.run.load
    if log is None or not log.answered:
        return None
    moments = _moments(view.run, log)
    start, end = _window(log, moments)
    seen = put_into_bins(log, start, end)
    figures = [
        (words.count(load.requests_total if load else len(log.requests)), "requests"),
        (words.count(load.requests_failed if load else log.failed), "failed"),
        *(
            [(words.milliseconds(load.ms_p50), "median"), (words.milliseconds(load.ms_p99), "99th percentile")]
            if load
            else []
        ),
    ]
    names = [
        (view.colour(v), f"{words.version(v)}: {words.count(number)} answers") for v, number in log.answered.items()
    ]
    picture = chart(lambda width: traffic_chart(seen, log.start, moments, view.colours, width))
    lead = "Share of the clients' requests that each version answered; the numbers are explained below."
    return section(
        "Traffic",
        lead,
        facts(figures),
        legend(names),
        picture,
        _moment_list(moments, log.start),
        _left_out(log, start, end),
    )


def _moments(run: Run, log: Log) -> list[Moment]:
    """Return the moves of traffic that the clients lived through, and the rollback, numbered in order of time."""
    found = [
        (event.time, event.reason, _event_tone(record, index))
        for record in _live_deployments(run)
        for index, event in enumerate(record.events)
    ]
    rollback = rollback_of(run)
    left = log.last_answer(rollback.revoked) if rollback else None
    if rollback and left is not None:
        # The record has no time of its own; when the revoked version answered last was measured by the clients.
        say = f"rollback: the last answer of version {rollback.revoked}; version {rollback.served} serves from here on"
        found.append((left, say, TURNED))
    inside = sorted(one for one in found if log.start <= one[0] <= log.end)
    return [Moment(time, number, say, tone) for number, (time, say, tone) in enumerate(inside, start=1)]


def _window(log: Log, moments: Sequence[Moment]) -> tuple[float, float]:
    """Return from when to when to draw: around what happened, so that minutes of nothing do not squeeze it."""
    if not moments:
        return log.start, log.end
    first, last = moments[0].time, moments[-1].time
    around = max(LEAST_AROUND, AROUND * (last - first))
    return max(log.start, first - around), min(log.end, last + around)


def _left_out(log: Log, start: float, end: float) -> Markup | None:
    """Return who answered what is not drawn."""
    outside = {
        "before": [one for one in log.requests if one.time < start],
        "after": [one for one in log.requests if one.time > end],
    }
    parts = [f"{words.count(len(some))} {when} ({_by_version(some)})" for when, some in outside.items() if some]
    return element("p", f"Requests not drawn: {', '.join(parts)}.", class_="lead below") if parts else None


def _by_version(requests: Sequence[Request]) -> str:
    failed = sum(not one.answered for one in requests)
    by = [f"{words.version(version)}: {words.count(number)}" for version, number in sorted(answers(requests).items())]
    return ", ".join([*by, *([f"failed: {words.count(failed)}"] if failed else [])])


def _live_deployments(run: Run) -> list[DeployRecord]:
    """Return the deployments to the stage that the clients ask, which is the furthest."""
    last = last_deployment(run)
    records = [model.deployments.get(last.stage) for model in run.models] if last else []
    return [record for record in records if record is not None]


def _event_tone(record: DeployRecord, index: int) -> str:
    is_last = index == len(record.events) - 1
    return PLAIN if not is_last else BAD if record.outcome == "reverted" else GOOD


def _moment_list(moments: Sequence[Moment], start: float) -> Markup | None:
    items = (
        element(
            "li",
            element("span", str(one.number), class_=f"number tone-{one.tone}"),
            element("b", f"{one.time - start:.1f}{words.SPACE}s"),
            element("span", one.words),
        )
        for one in moments
    )
    return element("ol", *items, class_="moments") if moments else None
