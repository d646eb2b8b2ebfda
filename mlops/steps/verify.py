"""Check that a stage's endpoint serves what it should: version, digest, golden predictions, errors."""

from __future__ import annotations

import argparse

from mlops.context import Context
from mlops.errors import RegistryError
from mlops.names import stage_record
from mlops.policy import combine
from mlops.records import Outcome, RuleResult, VerifyRecord, highest_approved, write_record
from mlops.rollout import inspect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """This step needs nothing but its stage."""


def run(context: Context, options: argparse.Namespace) -> int:
    """Verify, print each rule, and exit by the verdict."""
    record = verify(context)
    for result in record.verdict.rules:
        context.report(f"{result.outcome:8} {result.rule:10} {result.reason}")
    return Outcome[record.verdict.outcome.upper()]


def verify(context: Context) -> VerifyRecord:
    """Judge the stage's highest approved version where it serves. Changes nothing. Raises where it is not deployed."""
    stage = context.stage
    desired = highest_approved(context.registry.versions(stage.model), stage.name)
    if desired is None:
        raise RegistryError(f"{stage.name}: no version of {stage.model} is approved: promote one first")
    traffic = judge_traffic(context.target.status().traffic, desired.version)
    verdict = combine((traffic, *inspect(context, desired, None, (0, 0)).rules))
    record = VerifyRecord(stage.name, desired.version, verdict)
    write_record(context.run, stage_record("verify", stage.name), record)
    return record


def judge_traffic(traffic: dict[int, int], version: int) -> RuleResult:
    """The version that should be served has all the traffic."""
    outcome = "promote" if traffic == {version: 100} else "reject"
    return RuleResult("traffic", outcome, f"traffic is {traffic}, should be {{{version}: 100}}")
