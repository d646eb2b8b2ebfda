"""Check all Azure ML YAML and all stage files of a repository, without Azure: exit 1 where something is wrong.

Azure ML's SDK is asked where it is installed; what it misses is checked in any case.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.config import REPOSITORY
from mlops.context import validator
from mlops.errors import ConfigError

if TYPE_CHECKING:
    from mlops.lint.checking import Report

# It judges the stage files, so it can't ask one of them how to go about it.
NEEDS_STAGE = False
WITHOUT_SDK = "azure-ai-ml is not installed: what it checks was left out (environments/ci/azureml.txt brings it)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to check and how to show it."""
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="the repository to check (default: this one)")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(say: Callable[[str], None], options: argparse.Namespace) -> int:
    """Show each finding as `file:line: what is wrong: what to do`. Raises ConfigError where there is no such folder."""
    root = options.root.resolve()
    if not root.is_dir():
        raise ConfigError(f"--root {options.root}: there is no such folder: name a repository")
    # Imported here: every command imports every step, and only this one reads all files.
    from mlops.lint.checking import check

    report = check(root, validator())
    for line in [_as_json(report)] if options.json else _lines(report):
        say(line)
    return int(bool(report.findings))


def _as_json(report: Report) -> str:
    return json.dumps(asdict(report), indent=2)


def _lines(report: Report) -> list[str]:
    left_out = [] if report.asked_sdk else [WITHOUT_SDK]
    count = f"{report.files} Azure ML files and the stage files: {len(report.findings) or 'no'} findings"
    return [*map(str, report.findings), *left_out, count]
