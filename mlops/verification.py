"""Pure rules that judge a deployment: what it serves, what it predicts, how often it fails and how fast it answers."""

from __future__ import annotations

from statistics import median

from mlops.config import Verify
from mlops.ports import DeploymentStatus
from mlops.probe import Golden, Predictions, Probes
from mlops.records import RuleResult

PROMOTE, REJECT, ERROR = "promote", "reject", "error"


def judge_digest(deployment: DeploymentStatus, expected: str) -> RuleResult:
    """The deployment serves the very package that the registry names."""
    if deployment.digest == expected:
        return RuleResult("digest", PROMOTE, f"serves {expected}")
    return RuleResult("digest", REJECT, f"serves {deployment.digest}, the registry says {expected}")


def judge_golden(golden: Golden, variant: str, actual: Predictions | str, tolerance: float) -> RuleResult:
    """The deployment predicts for the golden frames what the evaluation saw."""
    expected = golden.variants.get(variant)
    if expected is None:
        return RuleResult("golden", ERROR, f"golden.json knows no variant {variant}: evaluate the model again")
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
    sent = len(probes.milliseconds) + len(probes.failures)
    if not sent:
        return RuleResult("probes", ERROR, "no probe was sent: release.verify.requests must be at least 1")
    if len(probes.failures) / sent > limits.max_error_rate:
        return RuleResult("probes", REJECT, f"{len(probes.failures)} of {sent} probes failed: {probes.failures[0]}")
    return RuleResult("probes", PROMOTE, f"{sent - len(probes.failures)} of {sent} probes answered")


def judge_latency(probes: Probes, before: Probes | None, limits: Verify) -> RuleResult:
    """The deployment is not slower, by more than the limit, than the version before it."""
    if before is None or not before.milliseconds:
        return RuleResult("latency", PROMOTE, "no version before it to compare with")
    if not probes.milliseconds:
        # A version that fails each probe is bad; one that got none can't be judged.
        return RuleResult("latency", REJECT if probes.failures else ERROR, "no probe was answered")
    ratio = median(probes.milliseconds) / median(before.milliseconds)
    outcome = PROMOTE if ratio <= limits.max_latency_ratio else REJECT
    return RuleResult("latency", outcome, f"{ratio:.2f} of the version before (limit {limits.max_latency_ratio})")


def judge_live(requests: int, errors: int, limits: Verify) -> RuleResult:
    """The live requests since the traffic moved were answered."""
    if requests and errors / requests > limits.max_error_rate:
        return RuleResult(
            "live", REJECT, f"{errors} of {requests} live requests failed (limit {limits.max_error_rate:.1%})"
        )
    return RuleResult("live", PROMOTE, f"{requests - errors} of {requests} live requests answered")
