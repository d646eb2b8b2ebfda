"""The sections on how good a model is: accuracy, confusion, variants, slices. Each is None without its input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import sqrt

from mlops.evaluation import ModelReport, VariantReport
from mlops.report import words
from mlops.report.charts import Bar, BarGroup, Mark, Row, bars, heatmap, shares
from mlops.report.layout import chart, legend, section
from mlops.report.markup import Markup, element, join
from mlops.report.view import Duel, View, models_in_words

Interval = tuple[float, float] | None
Values = Sequence[tuple[int | None, float, Interval]]  # version, share, interval

Z_95 = 1.959963984540054
WORST_CONFUSIONS = 3


def accuracy_section(view: View) -> Markup | None:
    """Return accuracy overall and by class, challenger against champion."""
    duel = view.duel
    if duel is None:
        return None
    images = words.count(duel.evaluation.test_set.images)
    lead = f"{duel.names}, on the same {images} frozen test images. Whiskers are 95{words.SPACE}% intervals."
    overall = _shares("Overall", _overall(view, duel), "Accuracy of each variant, with 95 % intervals")
    by_class = _shares(f"By class, {duel.variant}", _by_class(view, duel), "Accuracy by class, with 95 % intervals")
    return section("Accuracy", lead, _legend(view, duel), overall, by_class, half=True)


def confusion_section(view: View) -> Markup | None:
    """Return the challenger's confusion matrix and its most frequent confusions."""
    if view.duel is None:
        return None
    labels, counts = view.duel.evaluation.challenger.labels, view.duel.ours.confusion
    if not labels or len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
        return None
    lead = (
        f"{_ours(view.duel)}, {view.duel.variant}. A row is what an image shows, a column what the model said; "
        "mistakes are shaded four times as strong."
    )
    title = "Confusion matrix: true class by row, predicted class by column"
    picture = chart(lambda width: heatmap(counts, labels, width, title), half=True)
    worst = _list("Confused most", _confusions(counts, labels))
    return section("Confusion", lead, picture, worst, half=True)


def variants_section(view: View) -> Markup | None:
    """Return the challenger's variants side by side: size, latency, memory, accuracy; and parity with PyTorch."""
    if view.duel is None or len(view.duel.evaluation.challenger.variants) < 2:
        return None
    report = view.duel.evaluation.challenger
    lead = (
        f"{_ours(view.duel)} as ONNX, one image on one thread of device class {view.duel.evaluation.device_class}. "
        "The change is from the first variant to the last."
    )
    title = "Size, latency, memory and accuracy of each variant"
    picture = chart(lambda width: bars(_variant_groups(report), width, title), half=True)
    return section(" against ".join(report.variants), lead, picture, _parity(report), half=True)


def slices_section(view: View) -> Markup | None:
    """Return the accuracy on test images as cameras spoil them, challenger against champion."""
    duel = view.duel
    if duel is None or not duel.ours.slices:
        return None
    whole = [(version, report.accuracy, None) for version, report in _reports(duel)]
    slices = ((name.replace("_", " "), _slice_values(duel, name)) for name in duel.ours.slices)
    rows = [_share_row(view, duel, name, values) for name, values in (("unspoiled", whole), *slices)]
    lead = f"{duel.names}, {duel.variant}, on test images as a camera may spoil them, and as they are."
    picture = _shares("", rows, "Accuracy on spoiled test images")
    confidence = _list("Confidence", [_calibration(duel)])
    return section("What a camera meets", lead, _legend(view, duel), picture, confidence, half=True)


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `count` > 0 trials (Wilson 1927), as the evaluation has it overall."""
    share, square = right / count, Z_95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = Z_95 / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _shares(heading: str, rows: Sequence[Row], title: str) -> Markup | None:
    drawn = [row for row in rows if row.marks]
    if not drawn:
        return None
    head = element("h3", heading) if heading else None
    return join([head, chart(lambda width: shares(drawn, width, title), half=True)])


def _overall(view: View, duel: Duel) -> list[Row]:
    rows = []
    for name in duel.evaluation.challenger.variants:
        found = [(v, model.variants[name]) for v, model in duel.models if name in model.variants]
        values = [(version, report.accuracy, _pair(report.accuracy_interval)) for version, report in found]
        rows.append(_share_row(view, duel, name, values, digits=2))
    return rows


def _by_class(view: View, duel: Duel) -> list[Row]:
    return [
        _share_row(view, duel, label, list(_class_values(duel, index, label)))
        for index, label in enumerate(duel.evaluation.challenger.labels)
    ]


def _share_row(view: View, duel: Duel, label: str, values: Values, digits: int = 1) -> Row:
    """Return a row with a mark a model; the figure is the challenger's, the change is from the champion to it."""
    marks = tuple(
        Mark(share, view.colour(version), interval, f"{words.version(version)}: {words.percent(share, 2)}")
        for version, share, interval in values
    )
    figure = words.percent(values[0][1], digits) if values else words.DASH
    change = words.points(values[0][1] - values[1][1], digits) if len(values) > 1 else ""
    return Row(label, marks, figure, change)


def _class_values(duel: Duel, index: int, label: str) -> Iterator[tuple[int | None, float, Interval]]:
    for version, report in _reports(duel):
        if label in report.per_class:
            yield version, report.per_class[label], _class_interval(report, index)


def _class_interval(report: VariantReport, index: int) -> Interval:
    rows = report.confusion
    if index >= len(rows) or index >= len(rows[index]) or not sum(rows[index]):
        return None
    return wilson(rows[index][index], sum(rows[index]))


def _slice_values(duel: Duel, name: str) -> list[tuple[int | None, float, None]]:
    return [(version, report.slices[name], None) for version, report in _reports(duel) if name in report.slices]


def _reports(duel: Duel) -> list[tuple[int | None, VariantReport]]:
    """Return the served variant of each model, the challenger's first."""
    models = [(version, model.variants.get(duel.variant)) for version, model in duel.models]
    return [(version, report) for version, report in models if report]


def _pair(interval: Sequence[float]) -> Interval:
    return (interval[0], interval[1]) if len(interval) == 2 else None


def _legend(view: View, duel: Duel) -> Markup | None:
    if len(duel.models) < 2:
        return None
    return legend((view.colour(version), name) for version, name in models_in_words(duel))


def _ours(duel: Duel) -> str:
    return "The candidate" if duel.challenger is None else f"Version {duel.challenger}"


def _confusions(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> list[str]:
    wrong = [
        (number, f"{labels[i]} taken for {labels[j]}: {number} of {sum(counts[i])}")
        for i, row in enumerate(counts)
        for j, number in enumerate(row)
        if i != j and number
    ]
    return [line for _, line in sorted(wrong, key=lambda one: -one[0])[:WORST_CONFUSIONS]] or ["nothing"]


def _variant_groups(report: ModelReport) -> list[BarGroup]:
    reports = report.variants.values()
    figures: dict[str, list[tuple[float, str]]] = {
        "Size": [(one.bytes, words.kibibytes(one.bytes)) for one in reports],
        "Latency, median": [(one.latency_ms_p50, words.milliseconds(one.latency_ms_p50)) for one in reports],
        "Latency, 95th percentile": [(one.latency_ms_p95, words.milliseconds(one.latency_ms_p95)) for one in reports],
        "Memory": [(one.memory_mb, f"{one.memory_mb:.1f}{words.SPACE}MiB") for one in reports],
        "Accuracy": [(one.accuracy, words.percent(one.accuracy, 2)) for one in reports],
    }
    return [_variant_group(title, list(report.variants), values) for title, values in figures.items()]


def _variant_group(title: str, names: Sequence[str], values: Sequence[tuple[float, str]]) -> BarGroup:
    drawn = zip(names, values, strict=True)
    group = tuple(Bar(name, value, text, f"variant-{i % 3}") for i, (name, (value, text)) in enumerate(drawn))
    first, last = values[0][0], values[-1][0]
    change = f"{words.points(last - first, 2)} points" if title == "Accuracy" else words.change(last, first)
    return BarGroup(title, group, change)


def _parity(report: ModelReport) -> Markup:
    lines = (
        f"{name}: logits differ by at most {one.max_abs_diff:.2g}, {words.percent(one.agreement, 2)} equal decisions."
        for name, one in report.parity.items()
    )
    return _list("Against the trained network, on the same bytes", lines)


def _calibration(duel: Duel) -> str:
    before = f"; {words.percent(duel.theirs.calibration_error)} for the champion" if duel.theirs else ""
    ours = words.percent(duel.ours.calibration_error)
    return f"Off by {ours} on average from how often it is right (expected calibration error{before})."


def _list(heading: str, lines: Iterable[str]) -> Markup:
    items = element("ul", *(element("li", line) for line in lines), class_="plain")
    return join([element("h3", heading), items])
