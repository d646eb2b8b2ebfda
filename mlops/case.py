"""What the rules judge: one model's evaluation and package, a stage's thresholds, and what that stage serves now.

Plain values only. It knows no registry and no folder: whoever asks for a verdict reads those and fills a Case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mlops.config import Gates
from mlops.evaluation import Evaluation, ModelReport, VariantReport
from mlops.records import ModelVersion, Outcome

MANDATORY_FILES = ("contract.json", "labels.json", "parity.json", "reference.json")


@dataclass(frozen=True)
class Package:
    """A model package's content: the digest of each file, the size of all together in bytes, and labels.json."""

    digests: dict[str, str]
    bytes: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One question to the rules. `champion` is what the stage serves now; `served` is the variant that it serves.

    `data_version` is the one the model claims, None where it claims none yet. `revoked` maps the digest of a served
    variant to the version that was revoked in this stage with it.
    """

    evaluation: Evaluation
    package: Package
    gates: Gates
    served: str
    data_version: str | None
    champion: ModelVersion | None
    revoked: dict[str, int] = field(default_factory=dict)

    @property
    def challenger(self) -> ModelReport:
        """Return the report of the model that is judged."""
        return self.evaluation.challenger

    @property
    def duel(self) -> tuple[VariantReport, VariantReport] | None:
        """Return the served variant of challenger and champion, or None where the evaluation holds no champion."""
        champion = self.evaluation.champion
        return (self.challenger.variants[self.served], champion.variants[self.served]) if champion else None

    @property
    def models(self) -> dict[str, ModelReport]:
        """Return the evaluated models by role."""
        champion = self.evaluation.champion
        return {"challenger": self.challenger} | ({"champion": champion} if champion else {})

    def reports(self) -> Iterator[tuple[str, ModelReport, VariantReport]]:
        """Yield each evaluated variant of each model, with a name for messages: `challenger int8`."""
        for role, model in self.models.items():
            for variant, report in model.variants.items():
                yield f"{role} {variant}", model, report


class Finding(NamedTuple):
    """What one rule finds: an outcome, and the reason in words a person can act on."""

    outcome: Outcome
    reason: str


def variant_file(variant: str) -> str:
    """Return the name of a variant's file in a model package."""
    return f"model_{variant}.onnx"


def error_if(problems: Iterable[str], otherwise: str) -> Finding:
    """Return an error that lists the problems, or a pass that says `otherwise`."""
    return _finding(Outcome.ERROR, problems, otherwise)


def reject_if(problems: Iterable[str], otherwise: str) -> Finding:
    """Return a rejection that lists the problems, or a pass that says `otherwise`."""
    return _finding(Outcome.REJECT, problems, otherwise)


def _finding(failed: Outcome, problems: Iterable[str], otherwise: str) -> Finding:
    listed = list(problems)
    shown = "; ".join(listed[:3]) + (f"; and {len(listed) - 3} more" if len(listed) > 3 else "")
    return Finding(failed, shown) if listed else Finding(Outcome.PROMOTE, otherwise)
