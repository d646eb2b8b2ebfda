"""What people see who are asked to let a version into a stage: what it is, how it differs from what serves, its card.

Pure: a page of Markdown from what `python -m mlops approval` has read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlops.evaluation import Evaluation, VariantReport
from mlops.markdown import below, table
from mlops.names import TAG_DATA_VERSION, TAG_GIT_COMMIT
from mlops.policy import in_words
from mlops.records import ModelVersion, PromoteRecord

OTHER_TEST_SET = "The two were evaluated on different test sets: their figures can't be compared."
CHANGED_CLASSES = 10  # at most so many are shown, those that lose most first


@dataclass(frozen=True)
class Candidate:
    """A version, what was measured of it, and the images that carry it at the stage, by kind."""

    version: ModelVersion
    evaluation: Evaluation
    images: Mapping[str, str]


@dataclass(frozen=True)
class Serving:
    """What serves now; `version` None: nothing. `problem` says why the endpoint could not be asked, if so."""

    version: Candidate | None
    problem: str | None = None


def approval_page(asked: PromoteRecord, candidate: Candidate, serving: Serving, variant: str, card: str) -> str:
    """Return the page that asks for a version's approval; `variant` is the one that the stage serves."""
    number, model = candidate.version.version, candidate.version.model
    parts = [f"# Release version {number} of {model} to {asked.stage}?", _identity(candidate, serving)]
    parts += [f"What serves was read from the registry: {serving.problem}"] if serving.problem else []
    parts += ["## Difference to what runs now", *_difference(candidate, serving.version, variant)]
    rules = [(rule.rule, in_words(rule), rule.reason) for rule in asked.verdict.rules]
    parts += [f"## Gates of {asked.stage}", f"{asked.verdict.outcome}: {asked.verdict.reason}"]
    parts += [table(("rule", "outcome", "reason"), rows) for rows in [rules] if rows]
    return "\n\n".join([*parts, "## Model card", below(card.strip(), 2)]) + "\n"


def _identity(candidate: Candidate, serving: Serving) -> str:
    rows = []
    for name, new in _facts(candidate).items():
        old = _facts(serving.version).get(name, "-") if serving.version else "nothing runs"
        rows.append((name, new, "the same" if new == old else old))
    return table(("", "to be released", "runs now"), rows)


def _facts(candidate: Candidate) -> dict[str, str]:
    version, tags = candidate.version, candidate.version.tags
    return {
        "version": str(version.version),
        "digest": f"`{version.digest}`",
        "data version": f"`{tags.get(TAG_DATA_VERSION, 'unknown')}`",
        "commit": f"`{tags.get(TAG_GIT_COMMIT, 'unknown')}`",
        **{f"{kind} image": f"`{image}`" for kind, image in candidate.images.items()},
    }


def _difference(candidate: Candidate, now: Candidate | None, variant: str) -> Iterator[str]:
    new = candidate.evaluation.challenger.variants.get(variant)
    if now is None:
        yield "Nothing serves in this stage: this would be its first version."
    elif now.version.version == candidate.version.version:
        yield "None: this version serves already."
    old = now.evaluation.challenger.variants.get(variant) if now else None
    if new is None:
        return
    yield table((variant, "to be released", "runs now", "difference"), list(_figures(new, old)))
    if now is None or old is None:
        return
    if now.evaluation.test_set.digest != candidate.evaluation.test_set.digest:
        yield OTHER_TEST_SET
    classes = list(_classes(new, old))
    if classes:
        yield table(("class or slice", "to be released", "runs now", "difference"), classes)


def _figures(new: VariantReport, old: VariantReport | None) -> Iterator[tuple[str, ...]]:
    for name, digits, unit in (
        ("accuracy", 4, ""),
        ("calibration_error", 4, ""),
        ("latency_ms_p50", 3, " ms"),
        ("latency_ms_p95", 3, " ms"),
        ("memory_mb", 1, " MiB"),
        ("bytes", 0, " bytes"),
    ):
        ours, theirs = getattr(new, name), getattr(old, name, None)
        yield _row(name.replace("_", " "), ours, theirs, f".{digits}f", unit)


def _classes(new: VariantReport, old: VariantReport) -> list[tuple[str, ...]]:
    """Return the classes and slices that change, those that lose most first."""
    ours, theirs = ({**one.per_class, **one.slices} for one in (new, old))
    changed = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    worst_first = sorted(changed, key=lambda name: ours[name] - theirs[name])
    return [_row(name, ours[name], theirs[name], ".4f", "") for name in worst_first[:CHANGED_CLASSES]]


def _row(name: str, ours: float, theirs: float | None, form: str, unit: str) -> tuple[str, ...]:
    if theirs is None:
        return name, f"{ours:{form}}{unit}", "-", "-"
    return name, f"{ours:{form}}{unit}", f"{theirs:{form}}{unit}", f"{ours - theirs:+{form}}{unit}"
