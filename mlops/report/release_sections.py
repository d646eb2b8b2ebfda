"""The sections on what happened to the models: life, gates, traffic, stream, rollback. None without its input."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from mlops.names import STAGES
from mlops.records import DeployRecord, Verdict
from mlops.report import words
from mlops.report.collect import ModelRun, Prediction, Run, Stream
from mlops.report.layout import badge, chart, facts, folded, legend, pairs, pill, section, table
from mlops.report.markup import Markup, element, join
from mlops.report.story import (
    BAD,
    GOOD,
    PLAIN,
    TURNED,
    Judgement,
    Station,
    judgements,
    last_deployment,
    life_of,
    rollback_of,
    spans,
)
from mlops.report.timecharts import Moment, frames_strip, lanes_chart, traffic_chart
from mlops.report.traffic import Traffic
from mlops.report.view import View


def life_section(view: View) -> Markup | None:
    """Return the shown model's way through the steps, and, of a demo, what ran when."""
    if view.shown is None:
        return None
    stations = life_of(view.run, view.shown)
    if not stations:
        return None
    name = f"Version {view.shown.version}" if view.shown.version else "The candidate"
    way = element("ol", *map(_station, stations), class_="way")
    lead = f"{name}, step by step, with the seconds that each took."
    return section("The model's life", lead, way, _lanes(view))


def gates_section(view: View) -> Markup | None:
    """Return which gate let which version in, and the rules with their reasons."""
    given = {model.name: judgements(model) for model in view.run.models}
    if not any(given.values()):
        return None
    judged = [model for model in view.run.models if given[model.name]]
    overview = table(("", *STAGES), (_gate_row(view.run, model) for model in judged), "gates")
    first = [one for one in given.get(view.shown.name, [])[:1]] if view.shown else []
    refused = [one for some in given.values() for one in some if one.verdict.outcome != "promote" and one not in first]
    others = [one for some in given.values() for one in some if one not in first and one not in refused]
    rest = folded(f"{len(others)} more verdicts", *map(_rules, others)) if others else None
    lead = "Each rule gives an outcome and a reason. What can't be judged is an error, never a pass."
    opened = [_rules(one, is_open=True) for one in (*refused, *first)]
    return section("Gates", lead, overview, *opened, rest)


def traffic_section(view: View) -> Markup | None:
    """Return who answered the clients over time, the releases marked, and how many requests failed."""
    seen, load = view.run.traffic, view.run.load
    if seen is None or not seen.answered:
        return None
    moments = _moments(view.run, seen)
    figures = [
        (words.count(load.requests_total if load else seen.total), "requests"),
        (words.count(load.requests_failed if load else seen.failed), "failed"),
        *(
            [(words.milliseconds(load.ms_p50), "median"), (words.milliseconds(load.ms_p99), "99th percentile")]
            if load
            else []
        ),
    ]
    names = [
        (view.colour(v), f"{words.version(v)}: {words.count(number)} answers") for v, number in seen.answered.items()
    ]
    picture = chart(lambda width: traffic_chart(seen, moments, view.colours, width))
    lead = "Share of the clients' requests that each version answered; the numbers are explained below."
    return section("Traffic", lead, facts(figures), legend(names), picture, _moment_list(moments, seen.start))


def stream_section(view: View) -> Markup | None:
    """Return what was said of a video, frame by frame, with annotated frames."""
    stream = view.run.stream
    if stream is None:
        return None
    one = stream.figures
    known = [(one.accuracy, "of the frames right"), (one.item_accuracy, f"of {one.items} items right")]
    figures = [(words.percent(share), name) for share, name in known if share is not None]
    figures += [(words.count(one.frames), "frames"), (f"{one.fps:.0f}", "frames a second")]
    by = next((f"version {m.version}" for m in view.run.models if _digest(m) == one.digest), one.digest)
    lead = f"Scored by {by}, {one.variant}, {words.milliseconds(one.ms_p50)} a frame (median)."
    predictions = stream.predictions
    strip = chart(lambda width: frames_strip(predictions, width)) if predictions else None
    key = legend([("right", "right"), ("wrong", "wrong"), ("idle", "no item in sight")]) if predictions else None
    return section("Video stream", lead, facts(figures), key, strip, _gallery(stream))


def rollback_section(view: View) -> Markup | None:
    """Return the rollback, how long it took, and what was verified afterwards."""
    rollback = rollback_of(view.run)
    if rollback is None:
        return None
    figures = [(words.seconds(rollback.seconds), "until the version before had all the traffic")]
    versions = [
        pill(f"version {rollback.revoked} revoked", TURNED),
        element("span", "→", class_="arrow"),
        pill(f"version {rollback.served} serves {rollback.stage}", GOOD),
    ]
    verified = view.run.own.verifications.get(rollback.stage)
    entries: list[tuple[str, str | Markup]] = [("Reason", rollback.reason)]
    if verified and verified.version == rollback.served:
        entries.append(("Verified", join([badge(verified.verdict.outcome), f" {verified.verdict.reason}"])))
    return section(
        "Rollback",
        "Back to the version before, under the clients' requests." if view.run.traffic else "",
        facts(figures),
        element("p", *versions),
        pairs(entries),
    )


def _station(one: Station) -> Markup:
    note = element("span", one.note, class_="note") if one.note else None
    measured = element("b", words.seconds(one.seconds)) if one.seconds is not None else None
    return element("li", element("span", one.name, class_="name"), measured, note, class_=f"tone-{one.tone}")


def _lanes(view: View) -> Markup | None:
    laid = spans(view.run)
    if not laid:
        return None
    colours = {model.name: view.colour(model.version) for model in view.run.models}
    picture = chart(lambda width: lanes_chart(laid, list(colours), colours, width))
    return join([element("h3", "What ran when"), picture])


def _gate_row(run: Run, model: ModelRun) -> list[str | Markup]:
    name = words.version(model.version) if model.version else model.name
    cells = [_gate_cell(model, stage) for stage in STAGES]
    rollback = rollback_of(run)
    if rollback and rollback.revoked == model.version:
        at = STAGES.index(rollback.stage)
        cells[at] = join([cells[at], pill("↩ rolled back", TURNED)])
    return [name, *cells]


def _gate_cell(model: ModelRun, stage: str) -> Markup:
    promotion, deployment = model.promotions.get(stage), model.deployments.get(stage)
    entered = model.registration if stage == STAGES[0] else promotion
    badges = [("let in", "held back", entered.verdict)] if entered else []
    badges += [("deployed", "sent back", deployment.verdict)] if deployment else []
    shown = (badge(v.outcome, good if v.outcome == "promote" else bad) for good, bad, v in badges)
    return join(shown) if badges else Markup(words.DASH)


def _rules(one: Judgement, is_open: bool = False) -> Markup:
    of = f"Version {one.version}" if one.version else "Candidate"
    head = join([badge(one.verdict.outcome), f" {of}, {one.title}"])
    return folded(head, *_verdict(one.verdict), is_open=is_open)


def _verdict(verdict: Verdict) -> list[Markup]:
    rows = [(rule.rule.replace("_", " "), badge(rule.outcome), rule.reason) for rule in verdict.rules]
    return [element("p", verdict.reason), *([table(("Rule", "Outcome", "Reason"), rows, "rules")] if rows else [])]


def _moments(run: Run, seen: Traffic) -> list[Moment]:
    """Return the moves of traffic that the clients lived through, and the rollback, numbered in order of time."""
    found = [
        (event.time, event.reason, _event_tone(record, index))
        for record in _live_deployments(run)
        for index, event in enumerate(record.events)
    ]
    rollback = rollback_of(run)
    if rollback and rollback.revoked in seen.last:
        # The record has no time of its own; when the revoked version answered last was measured by the clients.
        say = f"rollback: the last answer of version {rollback.revoked}; version {rollback.served} serves from here on"
        found.append((seen.last[rollback.revoked], say, TURNED))
    inside = sorted(one for one in found if seen.start <= one[0] <= seen.start + seen.seconds)
    return [Moment(time, number, say, tone) for number, (time, say, tone) in enumerate(inside, start=1)]


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
            element("b", words.seconds(one.time - start)),
            element("span", one.words),
        )
        for one in moments
    )
    return element("ol", *items, class_="moments") if moments else None


def _digest(model: ModelRun) -> str | None:
    return model.registration.digest if model.registration else None


def _gallery(stream: Stream) -> Markup | None:
    said = {one.frame: one for one in stream.predictions}
    figures = (_figure(number, path.read_bytes(), said.get(number)) for number, path in stream.pictures.items())
    return element("div", *figures, class_="gallery") if stream.pictures else None


def _figure(number: int, jpeg: bytes, said: Prediction | None) -> Markup:
    source = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    picture = element("img", src=source, alt=_said(number, said), loading="lazy")
    mark = badge("promote" if said.label == said.truth else "reject", said.label) if said and said.truth else None
    caption = element("figcaption", f"{number} ", mark)
    return element("figure", picture, caption)


def _said(number: int, said: Prediction | None) -> str:
    if said is None:
        return f"Frame {number}"
    truth = "" if said.truth is None else ", which is right" if said.truth == said.label else f"; it is {said.truth}"
    return f"Frame {number}: {said.label}, {words.percent(said.score, 0)}{truth}"
