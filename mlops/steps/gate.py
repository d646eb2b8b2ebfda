"""Judge an exported and evaluated model against a stage's thresholds, and say what each rule finds."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlops.context import Context
from mlops.errors import ConfigError
from mlops.judging import build_case, read_evaluation, read_package, report_verdict
from mlops.policy import exit_code, judge
from mlops.records import Verdict, write_record
from modelpackage import PackageError, open_package
from modelpackage.release import RELEASE_FILE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the model and its evaluation are."""
    parser.add_argument("--package", type=Path, required=True, help="folder that export wrote, or a sealed package")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder that evaluate wrote")
    parser.add_argument("--data-version", help="that the model comes from (default: what a sealed package says)")


def run(context: Context, options: argparse.Namespace) -> int:
    """Judge, and exit by the verdict."""
    verdict = gate(context, options.package, options.evaluation, options.data_version)
    report_verdict(context, verdict)
    return exit_code(verdict)


def gate(context: Context, package: Path, evaluation: Path, data_version: str | None = None) -> Verdict:
    """Return and record the verdict on a model that wants to enter the stage; nothing is registered.

    Raises ConfigError where the evaluation or the package can't be read or a sealed package is damaged.
    """
    claimed = data_version or _claimed_data_version(package)
    versions = context.registry.versions(context.stage.model)
    case = build_case(context, read_evaluation(evaluation), read_package(package), claimed, versions)
    verdict = judge(case)
    write_record(context.run, "gate", verdict)
    return verdict


def _claimed_data_version(package: Path) -> str | None:
    if not (package / RELEASE_FILE).exists():
        return None
    try:
        return open_package(package).data_version
    except PackageError as error:
        raise ConfigError(str(error)) from None
