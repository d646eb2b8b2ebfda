"""Let a version from the stage before into this one, if it passes this stage's gates. It serves once it is deployed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace

from mlops.context import Context
from mlops.errors import ConfigError, RegistryError
from mlops.judging import build_case, read_evaluation, read_package, report_verdict
from mlops.loading import read_json
from mlops.names import APPROVED, is_tag_of, stage_before, stage_record
from mlops.policy import against, exit_code, judge, standing_of_candidate
from mlops.evaluation import Evaluation
from mlops.records import (
    ModelVersion,
    PromoteRecord,
    RegisterRecord,
    Verdict,
    highest_approved,
    record_path,
    stage_tag,
    write_record,
)
from modelpackage import read_release

Versions = Mapping[int, ModelVersion]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which version."""
    words = "default: the one that this run registered, else the highest approved in the stage before"
    parser.add_argument("--version", type=int, help=words)
    parser.add_argument("--judge", action="store_true", help="only judge and record it: nothing is let in yet")


def run(context: Context, options: argparse.Namespace) -> int:
    """Promote, and exit by the verdict."""
    record = promote(context, options.version, options.judge)
    report_verdict(context, record.verdict)
    return exit_code(record.verdict)


def promote(context: Context, version: int | None = None, is_trial: bool = False) -> PromoteRecord:
    """Return and record a version's entry into the stage, or why not. A version that is in stays in.

    A trial tags and copies nothing, so that people can be asked before anything may serve the version.

    Raises ConfigError where no version can be told or two evaluations can't be compared, RegistryError where the
    package is damaged; then nothing is tagged.
    """
    stage = context.stage
    before = stage_before(stage.name)
    if before is None:
        raise ConfigError(f"--stage {stage.name}: is the first stage: a model enters it by `python -m mlops register`")
    versions = _versions(context)
    candidate = _candidate(context, versions, version, before)
    recorded = _recorded(context, candidate)
    if recorded:
        return recorded
    others = {number: one for number, one in versions.items() if number != candidate.version}
    champion = highest_approved(others, stage.name)
    standing = standing_of_candidate(candidate, champion, stage.name, before)
    verdict = standing or _judge(context, candidate, champion, versions)
    if verdict.outcome == "promote" and stage_tag(candidate, stage.name) != APPROVED and not is_trial:
        context.source.copy_to(stage.model, candidate.version, context.registry)
        context.registry.set_tag(stage.model, candidate.version, stage.name, APPROVED)
    number = champion.version if champion else None
    record = PromoteRecord(stage.name, candidate.version, candidate.digest, number, verdict)
    write_record(context.run, stage_record("promote", stage.name), record)
    return record


def _versions(context: Context) -> Versions:
    """Return the versions of the stage before and of this one: each stage's tags as its own registry says them."""
    own = context.registry.versions(context.stage.model)
    if context.source == context.registry:
        return own
    others = context.source.versions(context.stage.model)
    return {number: _seen(number, own, others, context.stage.name) for number in sorted({*own, *others})}


def _seen(number: int, own: Versions, others: Versions, stage: str) -> ModelVersion:
    tags = {key: value for key, value in own[number].tags.items() if is_tag_of(stage, key)} if number in own else {}
    if number not in others:
        return own[number]
    told = {key: value for key, value in others[number].tags.items() if not is_tag_of(stage, key)}
    return replace(others[number], tags={**told, **tags})


def _candidate(context: Context, versions: Versions, wanted: int | None, before: str) -> ModelVersion:
    number = wanted if wanted is not None else _registered_in(context)
    if number is None:
        highest = highest_approved(versions, before)
        if highest is None:
            raise RegistryError(f"{before}: no version of {context.stage.model} is approved: nothing to promote")
        return highest
    if number not in versions:
        raise RegistryError(f"{context.stage.model} has no version {number}: see `python -m mlops status`")
    return versions[number]


def _registered_in(context: Context) -> int | None:
    """Return the version that this run registered, if it did. Raises ConfigError where its model was held back."""
    path = record_path(context.run, "register")
    if not path.exists():
        return None
    record = read_json(RegisterRecord, path)
    if record.version is None:
        raise ConfigError(f"{path}: this run's model was held back ({record.verdict.reason}): nothing to promote")
    return record.version


def _recorded(context: Context, candidate: ModelVersion) -> PromoteRecord | None:
    """Return what this run wrote when it let the candidate in, so that a rerun keeps its reasons."""
    path = record_path(context.run, stage_record("promote", context.stage.name))
    if not path.exists() or stage_tag(candidate, context.stage.name) != APPROVED:
        return None
    record = read_json(PromoteRecord, path)
    return record if (record.digest, record.verdict.outcome) == (candidate.digest, "promote") else None


def _judge(context: Context, candidate: ModelVersion, champion: ModelVersion | None, versions: Versions) -> Verdict:
    folder = context.package(candidate.version, context.source)
    evaluation = read_evaluation(folder)
    stored = _stored(context, evaluation, champion)
    compared = against(evaluation, champion, stored)
    claimed = read_release(folder).data_version
    return judge(build_case(context, compared, read_package(folder), claimed, versions))


def _stored(context: Context, evaluation: Evaluation, champion: ModelVersion | None) -> Evaluation | None:
    """Return the champion's own evaluation, None where the challenger was compared with this very champion."""
    seen = evaluation.champion
    if champion is None or (seen and (seen.version, seen.release_digest) == (champion.version, champion.digest)):
        return None
    return read_evaluation(context.package(champion.version))
