"""The sections on what happened to the models: their life, the gates, the rollback. Each is None without its input."""

from __future__ import annotations

from mlops.names import STAGES
from mlops.records import Verdict
from mlops.report import words
from mlops.report.collect import ModelRun, Run
from mlops.report.layout import badge, chart, facts, folded, pairs, pill, section, table
from mlops.report.markup import Markup, element, join
from mlops.report.story import GOOD, TURNED, Judgement, Station, judgements, life_of, rollback_of, spans
from mlops.report.timecharts import lanes_chart
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


def rollback_section(view: View) -> Markup | None:
    """Return the rollback, how long it took, and what was verified afterwards."""
    rollback = rollback_of(view.run)
    if rollback is None:
        return None
    figures = [(words.seconds(rollback.seconds), "to revoke, switch, verify and remove")]
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
        "Back to the version before, under the clients' requests." if view.run.log else "",
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
