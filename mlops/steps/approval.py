"""Show who is to approve a release what it is: model card, figures, and the difference to what runs now.

It reads the version that this run promoted, and writes approval.STAGE.md beside the records. GitHub shows it as the
job's summary, Azure Pipelines on the run's page; elsewhere it is printed.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mlops.approval import Candidate, Serving, approval_page
from mlops.ci import show_page
from mlops.context import Context
from mlops.delivery.carried import carried
from mlops.errors import ConfigError, RegistryError, StepError
from mlops.judging import read_evaluation
from mlops.loading import write_text
from mlops.names import MODEL_CARD_FILE, stage_record
from mlops.ports import Registry
from mlops.records import ModelVersion, Outcome, PromoteRecord, highest_approved, read_record
from mlops.traffic import version_before


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This step needs nothing but its stage and its run."""


def run(context: Context, options: argparse.Namespace) -> int:
    """Write the page and show it."""
    page = context.run / f"{stage_record('approval', context.stage.name)}.md"
    write_text(page, page_of(context))
    show_page(page, os.environ, context.report)
    return Outcome.PROMOTE


def page_of(context: Context) -> str:
    """Return the page of the version that this run promoted.

    Raises ConfigError where it promoted none, RegistryError where the registry holds another version than the record.
    """
    stage = context.stage
    asked = read_record(context.run, stage_record("promote", stage.name), PromoteRecord)
    if asked.verdict.outcome != "promote":
        raise ConfigError(f"{stage.name}: version {asked.version} was held back ({asked.verdict.reason}): approve none")
    versions = context.registry.versions(stage.model)
    # A version that was only judged lies in the stage before until people have agreed.
    place = context.registry if asked.version in versions else context.source
    version = place.versions(stage.model).get(asked.version)
    if version is None or version.digest != asked.digest:
        raise RegistryError(f"{stage.name}: version {asked.version} is not {asked.digest} in the registry: start anew")
    card = _card(context.package(version.version, place))
    serving = _serving(context, versions, version)
    candidate = _candidate(context, version, place)
    return approval_page(asked, candidate, serving, stage.release.variant, card)


def _serving(context: Context, versions: dict[int, ModelVersion], asked: ModelVersion) -> Serving:
    """Return what the endpoint serves, or where it can't be asked, what it should have served until now."""
    try:
        traffic = context.target.status().traffic
    except StepError as error:
        others = {number: one for number, one in versions.items() if number != asked.version}
        before = highest_approved(others, context.stage.name)
        return Serving(_candidate(context, before) if before else None, str(error))
    number = version_before(traffic, asked.version)
    number = asked.version if number is None and traffic.get(asked.version) else number
    return Serving(_candidate(context, versions[number]) if number in versions else None)


def _card(package: Path) -> str:
    path = package / MODEL_CARD_FILE
    if not path.exists():
        raise ConfigError(f"{path}: is missing: a version without a model card is approved by nobody")
    return path.read_text(encoding="utf-8")


def _candidate(context: Context, version: ModelVersion, place: Registry | None = None) -> Candidate:
    evaluation = read_evaluation(context.package(version.version, place))
    return Candidate(version, evaluation, carried(context.stage, version))
