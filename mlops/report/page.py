"""report.html: one page that asks nothing of a network. It reads well on a phone, in light and in dark, and on paper.

It shows what the run holds: a section whose input is absent is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mlops.records import RegisterRecord
from mlops.report import words
from mlops.report.card import render
from mlops.report.collect import ModelRun
from mlops.report.layout import facts, folded, pairs, pill, section
from mlops.report.markup import Markup, element, join
from mlops.report.quality_sections import accuracy_section, confusion_section, slices_section, variants_section
from mlops.report.release_sections import gates_section, life_section, rollback_section
from mlops.report.story import BAD, GOOD, PLAIN, TURNED, Fate, called, fates, headline, rollback_of
from mlops.report.stream_section import stream_section
from mlops.report.traffic_section import traffic_section
from mlops.report.view import View

STYLE = Path(__file__).with_name("report.css")
# Nothing is loaded and nothing runs: what a label or a reason holds can't change that.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
SHORT = {GOOD: "✓ in use", BAD: "✕ kept out", TURNED: "↩ taken back", PLAIN: "· on its way"}


def render_page(view: View) -> str:
    """Return the whole page."""
    style = element("style", Markup(STYLE.read_text(encoding="utf-8")))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{headline(view.run).title} · {view.run.name}"),
        style,
    )
    sections = (make(view) for make in SECTIONS)
    main = element("main", header(view), key_figures(view), element("div", *sections, class_="cards"))
    return f"<!doctype html>\n{element('html', head, element('body', main), lang='en')}\n"


def header(view: View) -> Markup:
    """Return what the run ended with, and what became of each version."""
    end, demo = headline(view.run), view.run.demo
    when = [words.moment(demo.started), words.seconds(demo.wall_seconds)] if demo else []
    eyebrow = element("p", " · ".join([*_model_name(view), f"run {view.run.name}", *when]), class_="eyebrow")
    sub = element("p", f"{end.words}.", class_="sub") if end.words else None
    items = [_fate(fate, view.colour(m.version)) for fate, m in zip(fates(view.run), view.run.models, strict=True)]
    became = element("ul", *items, class_="fates") if len(items) > 1 else None
    return element("header", eyebrow, element("h1", end.title), sub, became)


def key_figures(view: View) -> Markup | None:
    """Return the figures that matter most, as far as the run holds them."""
    figures = [*_quality_figures(view), *_service_figures(view)]
    return facts(figures) if figures else None


def card_section(view: View) -> Markup | None:
    """Return the model card, folded."""
    card = view.shown.card if view.shown else None
    if view.shown is None or card is None:
        return None
    lead = "As it stands in the package, written by registration from the record."
    return section("Model card", lead, folded("Read it", element("article", render(card))))


def provenance_section(view: View) -> Markup | None:
    """Return where each model comes from, by digest."""
    registered = [(model, model.registration) for model in view.run.models if model.registration]
    if not registered:
        return None
    parts = [join([element("h3", called(m)), pairs(_origin(m, record))]) for m, record in registered]
    return section("Where it comes from", "Everything by SHA-256; the data version is named by its content.", *parts)


SECTIONS: tuple[Callable[[View], Markup | None], ...] = (
    life_section,
    accuracy_section,
    confusion_section,
    variants_section,
    slices_section,
    gates_section,
    traffic_section,
    stream_section,
    rollback_section,
    card_section,
    provenance_section,
)


def _quality_figures(view: View) -> Iterator[tuple[str, str]]:
    if view.duel:
        of = "the candidate" if view.duel.challenger is None else f"version {view.duel.challenger}"
        yield words.percent(view.duel.ours.accuracy), f"accuracy of {of}, {view.duel.variant}"
        fp32 = view.duel.evaluation.challenger.variants.get("fp32")
        if fp32 and view.duel.variant != "fp32":
            difference = words.points(view.duel.ours.accuracy - fp32.accuracy, 2)
            yield difference, f"points, {view.duel.variant} against fp32"
    if view.run.stream and view.run.stream.figures.accuracy is not None:
        yield words.percent(view.run.stream.figures.accuracy), "of the stream's frames right"


def _service_figures(view: View) -> Iterator[tuple[str, str]]:
    load, rollback = view.run.load, rollback_of(view.run)
    if load:
        yield words.count(load.requests_failed), f"of {words.count(load.requests_total)} requests failed"
    if rollback:
        yield words.seconds(rollback.seconds), "to roll back"
    if view.run.demo:
        yield words.seconds(view.run.demo.wall_seconds), "from start to end"


def _model_name(view: View) -> list[str]:
    names = (model.registration.model for model in view.run.models if model.registration)
    return list(dict.fromkeys(names))


def _fate(fate: Fate, colour: str) -> Markup:
    swatch = element("i", class_=f"swatch back-{colour}")
    return element(
        "li", swatch, element("b", fate.title), pill(SHORT[fate.tone], fate.tone), element("span", fate.words)
    )


def _origin(model: ModelRun, record: RegisterRecord) -> Iterator[tuple[str, Markup]]:
    if record.digest:
        yield "Package", element("code", record.digest)
    yield "Git commit", element("code", record.git_commit)
    yield "Data version", element("code", record.data_version)
    if model.evaluation is None:
        return
    yield "Checkpoint", element("code", model.evaluation.challenger.checkpoint)
    for name, report in model.evaluation.challenger.variants.items():
        yield name, element("code", report.sha256)
    yield "Test set", element("code", model.evaluation.test_set.digest)
