"""What every section is given: the run, the model that is shown, which variant is served, and a colour a version."""

from __future__ import annotations

from dataclasses import dataclass

from mlops.evaluation import Evaluation, ModelReport, VariantReport
from mlops.report import words
from mlops.report.collect import ModelRun, Run
from mlops.report.story import shown_model

PALETTE = 6  # the style sheet has as many colours for versions


@dataclass(frozen=True)
class Duel:
    """An evaluation, and the served variant of challenger and champion in it; `challenger` is its number."""

    evaluation: Evaluation
    variant: str
    challenger: int | None

    @property
    def ours(self) -> VariantReport:
        """Return the challenger's report."""
        return self.evaluation.challenger.variants[self.variant]

    @property
    def theirs(self) -> VariantReport | None:
        """Return the champion's report, None where there was no champion or it has no such variant."""
        champion = self.evaluation.champion
        return champion.variants.get(self.variant) if champion else None

    @property
    def models(self) -> list[tuple[int | None, ModelReport]]:
        """Return the models with their versions, the challenger first."""
        champion = self.evaluation.champion
        return [(self.challenger, self.evaluation.challenger), *([(champion.version, champion)] if champion else [])]

    @property
    def names(self) -> str:
        """Return who is compared, in words."""
        champion = self.evaluation.champion
        ours = "The candidate" if self.challenger is None else f"Version {self.challenger}"
        return f"{ours} against version {champion.version}" if champion else ours


@dataclass(frozen=True)
class View:
    """A run as the page shows it."""

    run: Run
    shown: ModelRun | None
    duel: Duel | None
    colours: dict[int, str]

    def colour(self, version: int | None) -> str:
        """Return the class of a version's colour; a candidate that was not registered has the next one."""
        return self.colours.get(version or 0, f"version-{len(self.colours) % PALETTE}")


def view(run: Run, served: str) -> View:
    """Return the view of a run; `served` is the variant that the stages serve."""
    shown = shown_model(run)
    return View(run, shown, _duel(shown, served), {v: f"version-{i % PALETTE}" for i, v in enumerate(_versions(run))})


def models_in_words(one: Duel) -> list[tuple[int | None, str]]:
    """Return the compared versions with what to call them in a legend."""
    roles = ("challenger", "champion")
    return [
        (version, f"{words.version(version)}, {role}") for (version, _), role in zip(one.models, roles, strict=False)
    ]


def _duel(shown: ModelRun | None, served: str) -> Duel | None:
    if shown is None or shown.evaluation is None or not shown.evaluation.challenger.variants:
        return None
    variants = shown.evaluation.challenger.variants
    return Duel(shown.evaluation, served if served in variants else next(iter(variants)), shown.version)


def _versions(run: Run) -> list[int]:
    """Return all versions that the run speaks of."""
    registered = {model.version for model in run.models}
    evaluations = [model.evaluation for model in run.models if model.evaluation]
    champions = {one.champion.version for one in evaluations if one.champion}
    answered = set(run.log.answered) if run.log else set()
    return sorted(version for version in registered | champions | answered if version is not None)
