"""The verdict on a model: pure rules over records, so that CI, a laptop and a test come to the same one.

`judge` asks the rules in order: first whether the evaluation can be judged at all (mlops/soundness.py), then
whether the model is good enough (mlops/quality.py). It reads and writes nothing; `python -m mlops gate` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from mlops import quality, soundness
from mlops.case import Case, Finding
from mlops.errors import ConfigError
from mlops.records import Evaluation, ModelVersion, Outcome, RuleResult, Verdict

Rule = Callable[[Case], Finding]

# A tier is asked only where the one before found no error: its rules rely on what those before have proven.
TIERS: tuple[tuple[Rule, ...], ...] = (
    (soundness.complete, soundness.finite),
    (
        soundness.test_set,
        soundness.consistent,
        soundness.data_version,
        soundness.packaged,
        soundness.precision,
        soundness.labels,
        soundness.champion,
        soundness.not_itself,
        soundness.device_class,
    ),
    (
        quality.floor,
        quality.regression,
        quality.class_regression,
        quality.slice_regression,
        quality.int8_loss,
        quality.parity,
        quality.latency,
        quality.size,
        quality.not_revoked,
    ),
)
RULES = tuple(rule for tier in TIERS for rule in tier)


def judge(case: Case) -> Verdict:
    """Return what all rules together say of a model that wants to enter a stage."""
    results: list[RuleResult] = []
    for tier in TIERS:
        results += [apply(rule, case) for rule in tier]
        if any(result.outcome == outcome_name(Outcome.ERROR) for result in results):
            break
    return combine(results)


def apply(rule: Rule, case: Case) -> RuleResult:
    """Return what one rule says, under the rule's name."""
    finding = rule(case)
    return RuleResult(rule.__name__, outcome_name(finding.outcome), finding.reason)


def combine(results: Iterable[RuleResult]) -> Verdict:
    """Return error where any rule could not be judged, else reject where one fails, else promote. No rule: error."""
    rules = tuple(results)
    for outcome in (Outcome.ERROR, Outcome.REJECT):
        failed = [f"{rule.rule}: {rule.reason}" for rule in rules if rule.outcome == outcome_name(outcome)]
        if failed:
            return Verdict(outcome_name(outcome), "; ".join(failed), rules)
    if not rules:
        return Verdict(outcome_name(Outcome.ERROR), "no rule was judged", rules)
    return Verdict(outcome_name(Outcome.PROMOTE), f"all {len(rules)} rules pass", rules)


def single(rule: str, outcome: Outcome, reason: str) -> Verdict:
    """Return the verdict of one rule alone."""
    return combine([RuleResult(rule, outcome_name(outcome), reason)])


def outcome_name(outcome: Outcome) -> str:
    """Return an outcome as records spell it."""
    return outcome.name.lower()


def exit_code(verdict: Verdict) -> int:
    """Return the exit code that says a verdict: promote 0, error 1, reject 2."""
    return int(Outcome[verdict.outcome.upper()])


def against(evaluation: Evaluation, champion: ModelVersion | None, stored: Evaluation | None) -> Evaluation:
    """Return the evaluation with `champion` as the one compared with; `stored` is the champion's own evaluation.

    Raises ConfigError where the two were not measured on the same test set and device class: they say nothing together.
    """
    if champion is None:
        return replace(evaluation, champion=None)
    if stored is None:
        return evaluation
    for what, ours, theirs in (
        ("test set", evaluation.test_set.digest, stored.test_set.digest),
        ("device class", evaluation.device_class, stored.device_class),
    ):
        if ours != theirs:
            raise ConfigError(
                f"champion version {champion.version} was evaluated on {what} {theirs}, this model on {ours}: "
                f"evaluate this model again with --champion-version {champion.version}, and register it"
            )
    return replace(
        evaluation, champion=replace(stored.challenger, version=champion.version, release_digest=champion.digest)
    )
