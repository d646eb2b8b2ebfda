"""How findings become a verdict, and whose metrics a challenger is compared with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluations import CHAMPION, case, duel, evaluation, model
from mlops.errors import ConfigError
from mlops.policy import TIERS, against, combine, exit_code, judge, single
from mlops.records import ModelVersion, Outcome, RuleResult


def result(rule: str, outcome: str) -> RuleResult:
    return RuleResult(rule, outcome, f"because of {rule}")


def test_error_wins_over_reject_and_reject_over_promote() -> None:
    good, bad, broken = result("a", "promote"), result("b", "reject"), result("c", "error")
    assert combine([good]).outcome == "promote"
    assert combine([good, bad]).outcome == "reject"
    assert combine([bad, broken, good]).outcome == "error"


def test_the_reason_joins_what_failed_in_one_line() -> None:
    verdict = combine([result("a", "reject"), result("b", "promote"), result("c", "reject")])
    assert verdict.reason == "a: because of a; c: because of c"


def test_no_rule_at_all_is_an_error() -> None:
    assert combine([]).outcome == "error"


def test_exit_codes_are_0_1_and_2() -> None:
    codes = {outcome: exit_code(single("rule", outcome, "")) for outcome in Outcome}
    assert codes == {Outcome.PROMOTE: 0, Outcome.ERROR: 1, Outcome.REJECT: 2}


def test_an_error_keeps_later_tiers_from_judging_what_they_cannot() -> None:
    verdict = judge(case(duel(replace(model(), variants={}))))
    assert [r.rule for r in verdict.rules] == [rule.__name__ for rule in TIERS[0]]


def test_a_stage_without_champion_compares_with_none() -> None:
    assert against(duel(), None, None).champion is None


def test_another_champion_comes_with_its_own_stored_metrics() -> None:
    other = ModelVersion("m", 7, "sha256:7")
    champion = against(duel(), other, evaluation(model(85, "older"))).champion
    assert champion is not None
    assert (champion.version, champion.release_digest) == (7, "sha256:7")
    assert champion.variants["int8"].accuracy == 0.85


@pytest.mark.parametrize("what", ["test set", "device class"])
def test_metrics_of_another_test_set_or_device_are_not_compared(what: str) -> None:
    stored = evaluation()
    if what == "test set":
        stored = replace(stored, test_set=replace(stored.test_set, digest="sha256:0"))
    else:
        stored = replace(stored, device_class="jetson")
    with pytest.raises(ConfigError, match=f"{what}.*--champion-version 3"):
        against(duel(), CHAMPION, stored)
