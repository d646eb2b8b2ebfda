"""All rules over all Azure ML files of a repository, and over its stage files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.config import Stage
from mlops.lint import bindings, commands, computes, fields, kinds, paths, resources, schedules, sdk, stagefiles
from mlops.lint.finding import Finding
from mlops.lint.parts import Part, parts
from mlops.lint.surroundings import Surroundings, survey
from mlops.ports import Validator

Rule = Callable[[Part, Surroundings], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    kinds.findings,
    fields.findings,
    bindings.findings,
    commands.findings,
    computes.findings,
    resources.findings,
    schedules.findings,
    paths.findings,
)


@dataclass(frozen=True)
class Report:
    """What a check found, sorted; how many Azure ML files it read; whether the SDK was asked."""

    findings: tuple[Finding, ...]
    files: int
    asked_sdk: bool


def check(root: Path, validator: Validator | None) -> Report:
    """Check a repository. Without a validator the SDK's half is left out."""
    stages = stagefiles.load_stages(root)
    around = survey(root, _clusters(stages))
    ours = {*around.unreadable, *stagefiles.findings(root, stages), *_by_rules(around)}
    theirs = sdk.findings(tuple(around.documents.values()), validator, tuple(ours)) if validator else ()
    return Report(tuple(sorted({*ours, *theirs})), len(around.documents), validator is not None)


def _clusters(stages: Mapping[str, Stage | None]) -> frozenset[str] | None:
    loaded = [stage for stage in stages.values() if stage]
    return frozenset(name for stage in loaded for name in stage.azureml.clusters) if loaded else None


def _by_rules(around: Surroundings) -> Iterator[Finding]:
    for document in around.documents.values():
        for part in parts(document):
            for rule in RULES:
                yield from rule(part, around)
