"""Fills a Case for the rules: reads the package's folder, the evaluation, and what the registry says of a stage.

`gate`, `register` and `promote` share it, so that all three ask the same question. It decides nothing: that is for
mlops/policy.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mlops.case import Case, Package
from mlops.context import Context
from mlops.evaluation import Evaluation
from mlops.errors import ConfigError
from mlops.loading import read_json
from mlops.names import EVALUATION_FILE, REVOKED
from mlops.policy import in_words
from mlops.records import ModelVersion, Verdict, highest_approved, stage_tag
from modelpackage import digest_file
from modelpackage.release import RELEASE_FILE


def read_evaluation(folder: Path) -> Evaluation:
    """Return the evaluation in a folder. Raises ConfigError where a metric is missing or of another type."""
    return read_json(Evaluation, folder / EVALUATION_FILE)


def read_package(folder: Path) -> Package:
    """Return what a package's folder holds, sealed or not. Raises ConfigError where it or labels.json can't be read."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such package folder: run the export first")
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    digests = {name: digest_file(path) for name, path in paths.items() if name != RELEASE_FILE}
    return Package(digests, sum(path.stat().st_size for path in paths.values()), read_labels(folder))


def build_case(
    context: Context,
    evaluation: Evaluation,
    package: Package,
    data_version: str | None,
    versions: Mapping[int, ModelVersion],
) -> Case:
    """Return the question whether this model may enter the context's stage, given the model's registered versions."""
    stage = context.stage
    champion = highest_approved(versions, stage.name)
    revoked = revoked_variants(versions, stage.name, stage.release.variant)
    return Case(evaluation, package, stage.gates, stage.release.variant, data_version, champion, revoked)


def revoked_variants(versions: Mapping[int, ModelVersion], stage: str, variant: str) -> dict[str, int]:
    """Return the digests of a variant in all versions that a stage revoked, and their version."""
    revoked = {number: one.tags for number, one in versions.items() if stage_tag(one, stage) == REVOKED}
    return {tags[variant_tag(variant)]: number for number, tags in revoked.items() if variant_tag(variant) in tags}


def variant_tag(variant: str) -> str:
    """Return the tag of a version that holds the digest of a variant's file."""
    return f"variant_{variant}"


def report_verdict(context: Context, verdict: Verdict) -> None:
    """Say what each rule found, a line each, and what all of them say together."""
    for result in verdict.rules:
        context.report(f"  {in_words(result):<6}  {result.rule:<16}  {result.reason}")
    context.report(f"verdict for {context.stage.name}: {verdict.outcome}: {verdict.reason}")


def read_labels(folder: Path) -> tuple[str, ...]:
    """Return a package's labels in the order of its logits, none where the file is absent: the rule `packaged` says so.

    Raises ConfigError where labels.json is no list of names.
    """
    path = folder / "labels.json"
    if not path.exists():
        return ()
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON ({error}): export again") from None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ConfigError(f"{path}: should be a list of names: export again")
    return tuple(labels)
