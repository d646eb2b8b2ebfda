"""MODEL_CARD.md from the record: every field filled, or no card.

The prose stands in mlops/modelcard.md and modelcard-intake.md, for users to edit; what was measured comes in through
their placeholders. The same record gives the same bytes, so a card holds no time. `python -m mlops register` puts it
into the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from mlops.evaluation import Evaluation, ModelReport
from mlops.errors import ConfigError
from mlops.policy import in_words
from mlops.records import Verdict

TEMPLATE = Path(__file__).with_name("modelcard.md")
INTAKE_TEMPLATE = Path(__file__).with_name("modelcard-intake.md")  # of a model that was trained elsewhere


@dataclass(frozen=True)
class CardSource:
    """What a card is made from. `served` is the variant that the stages serve."""

    model: str
    git_commit: str
    data_version: str
    served: str
    evaluation: Evaluation
    verdict: Verdict

    @property
    def challenger(self) -> ModelReport:
        """Return the report of the model that the card is about."""
        return self.evaluation.challenger


def model_card(source: CardSource, template: Path = TEMPLATE) -> str:
    """Return the card's Markdown.

    Raises ConfigError where a field is empty or no number, and where the template lacks a placeholder or has one more.
    """
    text = Template(template.read_text(encoding="utf-8"))
    if not text.is_valid():
        raise ConfigError(f"{template}: holds a '$' that begins no placeholder: write '$$' for the sign itself")
    asked = set(text.get_identifiers())
    for name in sorted(asked ^ set(FIELDS)):
        fault = f"unknown placeholder ${{{name}}}: take it out" if name in asked else f"lacks ${{{name}}}: put it back"
        raise ConfigError(f"{template}: {fault}")
    return text.substitute({name: _filled(name, source) for name in FIELDS})


def _filled(name: str, source: CardSource) -> str:
    try:
        value = FIELDS[name](source)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"model card: field '{name}' cannot be filled ({error}): evaluate again") from None
    if not value.strip():
        raise ConfigError(f"model card: field '{name}' is empty: a card is complete or not at all")
    return value


def _variants(source: CardSource) -> str:
    rows = (
        (name, report.precision, f"{_figure(report.bytes / 1024, 1)} KiB", f"`{report.sha256}`")
        for name, report in source.challenger.variants.items()
    )
    return _table(("variant", "precision", "size", "SHA-256"), rows)


def _metrics(source: CardSource) -> str:
    header = ("variant", "accuracy", "interval", "calibration error", "latency p50, p95 (ms)", "memory (MiB)")
    rows = []
    for name, report in source.challenger.variants.items():
        interval = " to ".join(_figure(end) for end in report.accuracy_interval)
        latency = ", ".join(_figure(value, 3) for value in (report.latency_ms_p50, report.latency_ms_p95))
        figures = (_figure(report.accuracy), interval, _figure(report.calibration_error), latency)
        rows.append((name, *figures, _figure(report.memory_mb, 1)))
    return _table(header, rows)


def _by_class(source: CardSource) -> str:
    variants = source.challenger.variants
    rows = ((label, *(_figure(v.per_class[label]) for v in variants.values())) for label in source.challenger.labels)
    return _table(("class", *variants), rows)


def _by_slice(source: CardSource) -> str:
    variants = source.challenger.variants
    slices = dict.fromkeys(name for report in variants.values() for name in report.slices)
    rows = [(name, *(_figure(report.slices[name]) for report in variants.values())) for name in slices]
    return _table(("slice", *variants), rows)


def _parity(source: CardSource) -> str:
    rows = (
        (name, f"{_finite(one.max_abs_diff):.3g}", _figure(one.agreement), _figure(one.accuracy_delta))
        for name, one in source.challenger.parity.items()
    )
    return _table(("variant", "largest difference of logits", "equal decisions", "change of accuracy"), rows)


def _champion(source: CardSource) -> str:
    champion = source.evaluation.champion
    if champion is None:
        return "There was none: only absolute rules applied."
    ours, theirs = (model.variants[source.served] for model in (source.challenger, champion))
    return (
        f"Accuracy of the {source.served} variant {_figure(ours.accuracy)}, against {_figure(theirs.accuracy)} "
        f"of version {champion.version} (`{champion.release_digest}`) on the same test set."
    )


def _gates(source: CardSource) -> str:
    return _table(("rule", "outcome", "reason"), ((r.rule, in_words(r), r.reason) for r in source.verdict.rules))


FIELDS: dict[str, Callable[[CardSource], str]] = {
    "model": lambda source: source.model,
    "git_commit": lambda source: source.git_commit,
    "data_version": lambda source: source.data_version,
    "served": lambda source: source.served,
    "checkpoint": lambda source: source.challenger.checkpoint,
    "classes": lambda source: str(len(source.challenger.labels) or ""),
    "labels": lambda source: ", ".join(source.challenger.labels),
    "test_set": lambda source: source.evaluation.test_set.digest,
    "images": lambda source: str(source.evaluation.test_set.images or ""),
    "device_class": lambda source: source.evaluation.device_class,
    "variants": _variants,
    "metrics": _metrics,
    "by_class": _by_class,
    "by_slice": _by_slice,
    "parity": _parity,
    "champion": _champion,
    "gates": _gates,
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, or nothing where there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join((_row(header), _row(["---"] * len(header)), *lines)) if lines else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _figure(value: float, digits: int = 4) -> str:
    return f"{_finite(value):.{digits}f}"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no figure")
    return value
