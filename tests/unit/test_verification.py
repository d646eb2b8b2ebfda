"""Each rule of verification is fed the bad case and must say reject or error, with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops.config import Verify
from mlops.ports import DeploymentStatus
from mlops.probe import Golden, Lost, Predictions, Probes
from mlops.records import RuleResult
from mlops.verification import (
    judge_counted,
    judge_digest,
    judge_golden,
    judge_latency,
    judge_live,
    judge_probes,
    verdict_of,
)

LOST = Lost("Connection reset by peer")
LIMITS = Verify(requests=10, bake_seconds=0, max_score_difference=0.01, max_error_rate=0.1, max_latency_ratio=2.0)
RIGHT = Predictions(("Bag", "Coat"), ((0.9, 0.1), (0.2, 0.8)))
GOLDEN = Golden((2, 1, 1, 3), "", {"int8": RIGHT})


def deployment(digest: str) -> DeploymentStatus:
    return DeploymentStatus(2, digest, "ready", None, 0, 0, "http://127.0.0.1:1", "/infer")


def test_another_digest_than_the_registrys_is_rejected() -> None:
    assert judge_digest(deployment("sha256:a"), "sha256:a").outcome == "promote"
    result = judge_digest(deployment("sha256:b"), "sha256:a")
    assert (result.outcome, "sha256:b" in result.reason) == ("reject", True)


def test_the_predictions_of_the_evaluation_pass() -> None:
    assert judge_golden(GOLDEN, "int8", RIGHT, 0.01).outcome == "promote"


@pytest.mark.parametrize(
    "actual",
    [
        Predictions(("Coat", "Coat"), RIGHT.scores),
        Predictions(RIGHT.labels, ((0.7, 0.3), (0.2, 0.8))),
        Predictions(RIGHT.labels, ((float("nan"), 0.1), (0.2, 0.8))),
        Predictions(("Bag",), ((0.9, 0.1),)),
        Predictions(RIGHT.labels, ((0.9, 0.05, 0.05), (0.2, 0.8, 0.0))),
        "500 model failed",
    ],
    ids=["label", "score", "nan", "fewer", "classes", "no answer"],
)
def test_other_predictions_than_the_evaluations_are_rejected(actual: Predictions | str) -> None:
    assert judge_golden(GOLDEN, "int8", actual, 0.01).outcome == "reject"


def test_a_variant_that_was_never_evaluated_is_an_error() -> None:
    assert judge_golden(GOLDEN, "fp16", RIGHT, 0.01).outcome == "error"


def test_failed_probes_over_the_limit_are_rejected_with_their_reason() -> None:
    result = judge_probes(Probes((1.0,) * 8, ("500 broken",) * 2), LIMITS)
    assert (result.outcome, "500 broken" in result.reason) == ("reject", True)
    assert judge_probes(Probes((1.0,) * 9, ("500 broken",)), LIMITS).outcome == "promote"


def test_no_probes_are_an_error_and_never_a_pass() -> None:
    assert judge_probes(Probes((), ()), LIMITS).outcome == "error"


def test_a_version_slower_than_the_limit_is_rejected() -> None:
    before = Probes((1.0, 1.1, 0.9), ())
    assert judge_latency(Probes((1.9, 2.0, 1.8), ()), before, LIMITS).outcome == "promote"
    assert judge_latency(Probes((2.9, 3.0, 2.8), ()), before, LIMITS).outcome == "reject"
    assert judge_latency(Probes((), ("500",)), before, LIMITS).outcome == "reject"
    assert judge_latency(Probes((), ()), before, LIMITS).outcome == "error"


def test_where_no_answer_comes_it_is_an_error_that_blames_nobody() -> None:
    lost = Probes((1.0,) * 8, (), (LOST,) * 2)
    results = [judge_probes(lost, LIMITS), judge_golden(GOLDEN, "int8", LOST, 0.01)]
    assert [result.outcome for result in results] == ["error", "error"]
    assert all("Connection reset by peer" in one.reason and "no version is to blame" in one.reason for one in results)
    assert judge_probes(Probes((1.0,) * 9, (), (LOST,)), LIMITS).outcome == "promote"
    assert judge_latency(Probes((), (), (LOST,)), Probes((1.0,), ()), LIMITS).outcome == "error"


def test_what_was_answered_wrongly_is_rejected_though_a_connection_was_lost_as_well() -> None:
    both = Probes((), ("500 broken",), (LOST,))
    assert [judge(both).outcome for judge in (_probed, _timed)] == ["reject", "reject"]
    rules = [RuleResult("golden", "error", "no answer"), RuleResult("live", "reject", "3 of 20 failed")]
    verdict = verdict_of(rules)
    assert (verdict.outcome, verdict.reason, list(verdict.rules)) == ("reject", "live: 3 of 20 failed", rules)
    assert verdict_of(rules[:1]).outcome == "error"
    assert verdict_of([]).outcome == "error"


def _probed(probes: Probes) -> RuleResult:
    return judge_probes(probes, LIMITS)


def _timed(probes: Probes) -> RuleResult:
    return judge_latency(probes, Probes((1.0,), ()), LIMITS)


def test_live_errors_over_the_limit_are_rejected() -> None:
    assert judge_live(20, 3, LIMITS).outcome == "reject"
    assert judge_live(20, 2, LIMITS).outcome == "promote"
    assert judge_live(0, 0, LIMITS).outcome == "promote"
    seen = replace(deployment("sha256:1"), requests=120, errors=3)
    assert judge_counted(seen, (100, 0), LIMITS).outcome == "reject"
    assert judge_counted(seen, (100, 1), LIMITS).outcome == "promote"


def test_live_requests_that_nobody_counts_are_no_pass_unless_nobody_waits_for_them() -> None:
    mute = replace(deployment("sha256:1"), uncounted="none of 2 pods says")
    assert judge_counted(mute, (0, 0), LIMITS) == RuleResult("live", "error", "none of 2 pods says")
    assert judge_counted(mute, None, LIMITS).outcome == "promote"
