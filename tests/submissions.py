"""A model's way into the stages, for tests: contexts over a registry of their own, and models handed in to it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluations import DATA_VERSION, GATES, write_export
from mlops.config import load_stage
from mlops.context import Context
from mlops.loading import read_json
from mlops.evaluation import Evaluation, ModelReport
from mlops.records import ModelVersion
from mlops.registration import Submission
from mlops.steps import register
from registries import give_database

MODEL = "fashion-classifier"
FLOORS = {"dev": 0.80, "qa": 0.82, "production": 0.85}


def first_stage(own_platform: Path) -> Context:
    """Return a context of dev over an empty registry."""
    give_database(load_stage("dev").home)
    return at("dev", own_platform)


def at(stage: str, own_platform: Path, run: str = "run", say: Callable[[str], None] = print) -> Context:
    """Return a context of a stage, in a run of this name."""
    folder = own_platform / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    gates = replace(GATES, min_accuracy=FLOORS[stage])
    return Context(replace(load_stage(stage), gates=gates), folder, say)


def handed_in(folder: Path, commit: str = "c0ffee") -> Submission:
    """Return what `write_export` wrote into a folder, as register takes it."""
    return Submission(folder / "package", folder / "evaluation", DATA_VERSION, commit, folder / "out")


def registered(dev: Context, tmp_path: Path, right: int = 90, compare: bool = True) -> ModelVersion:
    """Register one more model, evaluated against dev's champion."""
    versions = dev.registry.versions(MODEL)
    champion = versions[max(versions)] if versions and compare else None
    folder = tmp_path / f"model{len(versions) + 1}"
    write_export(folder, right, folder.name, as_champion(dev, champion) if champion else None)
    record = register.register(dev, handed_in(folder))
    assert record.version, record.verdict.reason
    return dev.registry.versions(MODEL)[record.version]


def as_champion(dev: Context, version: ModelVersion) -> ModelReport:
    """Return a registered version as an evaluation reports its champion."""
    stored = read_json(Evaluation, dev.package(version.version) / "evaluation.json").challenger
    return replace(stored, version=version.version, release_digest=version.digest)


def tags_of(dev: Context, version: int) -> dict[str, str]:
    """Return the tags of a version as they are now."""
    return dev.registry.versions(MODEL)[version].tags


def exported(tmp_path: Path, **changes: Any) -> Path:
    """Return a folder with one model, exported and evaluated."""
    write_export(tmp_path / "model", **changes)
    return tmp_path / "model"


def run(step: Any, context: Context, tmp_path: Path, *flags: str, **changes: Any) -> int:
    """Run gate or register on a new model and return its exit code."""
    folder = exported(tmp_path, **changes)
    where = ["--package", f"{folder}/package", "--evaluation", f"{folder}/evaluation", "--data-version", DATA_VERSION]
    return int(step.run(context, options(step, *where, *flags)))


def options(step: Any, *flags: str) -> argparse.Namespace:
    """Return a step's options as the command line gives them."""
    parser = argparse.ArgumentParser()
    step.add_arguments(parser)
    return parser.parse_args(flags)
