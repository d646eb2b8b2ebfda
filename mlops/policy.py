"""The verdict on a model: pure rules over records, so that CI, a laptop and a test come to the same one.

`judge` asks the rules in order: first whether the evaluation can be judged at all (mlops/soundness.py), then
whether the model is good enough (mlops/quality.py). It reads and writes nothing; `python -m mlops gate` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from mlops import quality, soundness
from mlops.case import Case, Finding
from mlops.evaluation import Evaluation
from mlops.errors import ConfigError
from mlops.names import APPROVED, REVOKED, revoke_reason_tag
from mlops.records import ModelVersion, Outcome, RuleResult, Verdict, stage_tag

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
    verdict = combine(results)
    alone = case.champion is None and verdict.outcome == outcome_name(Outcome.PROMOTE)
    return replace(verdict, reason=f"{verdict.reason}; {soundness.NO_CHAMPION}") if alone else verdict


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
    passed = rules[0].reason if len(rules) == 1 else f"all {len(rules)} rules pass"
    return Verdict(outcome_name(Outcome.PROMOTE), passed, rules)


def single(rule: str, outcome: Outcome, reason: str) -> Verdict:
    """Return the verdict of one rule alone."""
    return combine([RuleResult(rule, outcome_name(outcome), reason)])


def outcome_name(outcome: Outcome) -> str:
    """Return an outcome as records spell it."""
    return outcome.name.lower()


def in_words(result: RuleResult) -> str:
    """Return what a rule says of a model as people read it: one rule alone promotes nobody, it lets pass."""
    return "pass" if result.outcome == outcome_name(Outcome.PROMOTE) else result.outcome


def exit_code(verdict: Verdict) -> int:
    """Return the exit code that says a verdict: promote 0, error 1, reject 2."""
    return int(Outcome[verdict.outcome.upper()])


def standing_of_registered(known: ModelVersion | None, stage: str) -> Verdict | None:
    """Return the verdict on what was handed in before and let in or revoked since; None where it is to be judged."""
    tag = stage_tag(known, stage) if known else None
    if known is None or tag is None:
        return None
    if tag == REVOKED:
        reason = f"is registered as version {known.version}, which {stage} revoked: train another model"
        return single("standing", Outcome.REJECT, reason)
    return single("standing", Outcome.PROMOTE, f"is registered as version {known.version} already")


def standing_of_candidate(
    candidate: ModelVersion, champion: ModelVersion | None, stage: str, before: str
) -> Verdict | None:
    """Return the verdict that tags alone give on a version's entry into a stage; None where it is to be judged."""
    name, tag = f"version {candidate.version}", stage_tag(candidate, stage)
    if tag == REVOKED:
        why = candidate.tags.get(revoke_reason_tag(stage), "no reason was given")
        return single("standing", Outcome.REJECT, f"{name} was revoked in {stage} ({why}): register another version")
    if tag == APPROVED:
        return single("standing", Outcome.PROMOTE, f"{name} is approved in {stage} already")
    if stage_tag(candidate, before) != APPROVED:
        found = stage_tag(candidate, before) or "not approved"
        return single("standing", Outcome.REJECT, f"{name} is {found} in {before}: only what {before} approved goes on")
    if champion and champion.version > candidate.version:
        newer = f"{stage} has version {champion.version} approved, which is newer and would go on serving"
        return single("standing", Outcome.REJECT, f"{name} comes late: {newer}")
    return None


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
