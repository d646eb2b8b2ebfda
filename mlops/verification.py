"""Pure rules that judge a deployment: what it serves, what it predicts, how often it fails and how fast it answers.

Whatever it answers is held against it. Where no answer comes at all, nobody can tell from here whether the network or
the version is to blame: such a version does not serve, and is not rejected either, but an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from mlops.config import Verify
from mlops.policy import combine
from mlops.ports import DECLARED, UNSEEN, DeploymentStatus
from mlops.probe import Golden, Lost, Predictions, Probes
from mlops.records import RuleResult, Verdict

PROMOTE, REJECT, ERROR = "promote", "reject", "error"
BLAMELESS = "no version is to blame: run the step again"


def verdict_of(rules: Sequence[RuleResult]) -> Verdict:
    """Return reject where any rule says so, else error where one could not be judged, else promote.

    What a version was seen to do wrong stays wrong where a connection was lost as well.
    """
    judged = [rule for rule in rules if rule.outcome != ERROR]
    rejected = any(rule.outcome == REJECT for rule in judged)
    return replace(combine(judged if rejected else rules), rules=tuple(rules))


def judge_digest(deployment: DeploymentStatus, expected: str) -> RuleResult:
    """The deployment serves the very package that the registry names."""
    if deployment.digest == expected:
        return RuleResult("digest", PROMOTE, f"serves {expected}")
    return RuleResult("digest", REJECT, f"serves {deployment.digest}, the registry says {expected}")


def judge_seen(deployment: DeploymentStatus, expected: str) -> RuleResult:
    """Somebody has seen the deployment, or by the stage file's choice nobody looks; then it is said so.

    What should have been looked at, and could not be, is an error: never is it promoted unseen.
    """
    if deployment.state not in (DECLARED, UNSEEN):
        return RuleResult("seen", PROMOTE, f"it is {deployment.state}")
    if deployment.digest != expected:
        return RuleResult("seen", REJECT, f"{deployment.digest} is declared, the registry says {expected}")
    outcome = PROMOTE if deployment.state == DECLARED else ERROR
    return RuleResult("seen", outcome, f"{expected} is declared, and not seen: {deployment.reason}")


def judge_golden(golden: Golden, variant: str, actual: Predictions | Lost | str, tolerance: float) -> RuleResult:
    """The deployment predicts for the golden frames what the evaluation saw."""
    expected = golden.variants.get(variant)
    if expected is None:
        return RuleResult("golden", ERROR, f"golden.json knows no variant {variant}: evaluate the model again")
    if isinstance(actual, Lost):
        return RuleResult("golden", ERROR, f"golden frames got no answer ({actual.reason}): {BLAMELESS}")
    if isinstance(actual, str):
        return RuleResult("golden", REJECT, f"golden frames were not answered: {actual}")
    changed = sum(1 for a, b in zip(expected.labels, actual.labels, strict=False) if a != b)
    difference = largest_difference(expected, actual)
    if changed or len(expected.labels) != len(actual.labels) or not difference <= tolerance:
        seen = (
            f"{changed} of {len(expected.labels)} labels differ, scores by up to {difference:.3g} (limit {tolerance})"
        )
        return RuleResult("golden", REJECT, f"golden predictions changed since evaluation: {seen}")
    return RuleResult("golden", PROMOTE, f"{len(expected.labels)} golden labels equal, scores within {difference:.2g}")


def largest_difference(expected: Predictions, actual: Predictions) -> float:
    """Return the largest difference between two sets of scores; infinite where their shapes differ."""
    if [len(row) for row in expected.scores] != [len(row) for row in actual.scores]:
        return float("inf")
    pairs = zip(expected.scores, actual.scores, strict=True)
    return max((abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True)), default=0.0)


def judge_probes(probes: Probes, limits: Verify) -> RuleResult:
    """The deployment answers the probes."""
    failed, lost = len(probes.failures), len(probes.lost)
    sent = len(probes.milliseconds) + failed + lost
    if not sent:
        return RuleResult("probes", ERROR, "no probe was sent: release.verify.requests must be at least 1")
    if failed / sent > limits.max_error_rate:
        return RuleResult("probes", REJECT, f"{failed} of {sent} probes failed: {probes.failures[0]}")
    if lost / sent > limits.max_error_rate:
        told = f"{lost} of {sent} probes got no answer ({probes.lost[0].reason}): {BLAMELESS}"
        return RuleResult("probes", ERROR, told)
    return RuleResult("probes", PROMOTE, f"{sent - failed - lost} of {sent} probes answered")


def judge_latency(probes: Probes, before: Probes | None, limits: Verify) -> RuleResult:
    """The deployment is not slower, by more than the limit, than the version before it."""
    if before is None or not before.milliseconds:
        return RuleResult("latency", PROMOTE, "no version before it to compare with")
    if not probes.milliseconds:
        # A version that fails each probe is bad; one that got none, or lost all, can't be judged.
        return RuleResult("latency", REJECT if probes.failures else ERROR, "no probe was answered")
    ratio = median(probes.milliseconds) / median(before.milliseconds)
    outcome = PROMOTE if ratio <= limits.max_latency_ratio else REJECT
    return RuleResult("latency", outcome, f"{ratio:.2f} of the version before (limit {limits.max_latency_ratio})")


def judge_counted(deployment: DeploymentStatus, live_from: tuple[int, int] | None, limits: Verify) -> RuleResult:
    """The live requests since `live_from`, a count of requests and errors, were answered.

    None: they are not waited for, as where the version before must be left at once. That nobody counts is no pass.
    """
    if live_from is None:
        return RuleResult("live", PROMOTE, "not waited for: the version before is to be left at once")
    if deployment.uncounted:
        return RuleResult("live", ERROR, deployment.uncounted)
    return judge_live(deployment.requests - live_from[0], deployment.errors - live_from[1], limits)


def judge_live(requests: int, errors: int, limits: Verify) -> RuleResult:
    """The live requests since the traffic moved were answered."""
    if requests and errors / requests > limits.max_error_rate:
        return RuleResult(
            "live", REJECT, f"{errors} of {requests} live requests failed (limit {limits.max_error_rate:.1%})"
        )
    return RuleResult("live", PROMOTE, f"{requests - errors} of {requests} live requests answered")
