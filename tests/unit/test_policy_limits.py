"""What the rules let pass and what they must not: figures at the limit, versions by number, one variant alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from evaluations import (
    CHAMPION,
    GATES,
    LABELS,
    case,
    duel,
    evaluation,
    model,
    package,
    variant,
    with_parity,
    with_variant,
)
from mlops.config import DeviceGates, Gates, ParityGates
from mlops.policy import judge
from mlops.evaluation import Evaluation, ModelReport
from mlops.records import highest_approved


def test_a_loss_of_just_the_limit_passes() -> None:
    limits = replace(GATES, max_regression=replace(GATES.max_regression, overall=0.01))
    assert judge(case(duel(model(89)), gates=limits)).outcome == "promote"
    assert judge(case(duel(model(88)), gates=limits)).outcome == "reject"


def compared_with(version: int) -> Evaluation:
    return evaluation(champion=model(name="old", version=version, digest=f"sha256:{version}"))


def test_version_10_is_above_9_and_9_is_stale_beside_it() -> None:
    versions = {n: replace(CHAMPION, version=n, digest=f"sha256:{n}", tags={"dev": "approved"}) for n in (9, 10)}
    champion = highest_approved(versions, "dev")
    assert champion is not None and champion.version == 10
    assert judge(case(compared_with(10), champion=champion)).outcome == "promote"
    stale = judge(case(compared_with(9), champion=champion))
    assert stale.outcome == "error" and "the stage serves version 10" in stale.reason


def test_the_stage_may_serve_fp32_and_then_that_variant_is_compared() -> None:
    worse = replace(model(), variants={"fp32": variant("fp32", 88), "int8": variant("int8", 90)})
    assert judge(case(duel(worse), served="int8")).outcome == "promote"
    assert "accuracy 0.8800" in judge(case(duel(worse), served="fp32")).reason


def test_a_revoked_version_of_another_file_does_not_matter() -> None:
    assert judge(case(revoked={variant("fp32").sha256: 2})).outcome == "promote"


def test_figures_of_just_the_limit_pass() -> None:
    limits = replace(
        GATES,
        min_accuracy=0.9,
        parity={name: ParityGates(0.5, 0.99) for name in GATES.parity},
        devices={"cpu": DeviceGates(max_latency_ratio=2.0, max_int8_latency_ratio=2.0, max_package_mb=1.0)},
    )
    at_limit = replace(with_parity("int8", 0.5, 0.99), variants=with_variant("int8", latency_ms_p50=1.0).variants)
    verdict = judge(case(duel(at_limit), gates=limits, package=replace(package(duel()), bytes=1024 * 1024)))
    assert verdict.outcome == "promote", verdict.reason


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_may_be_all_or_nothing(share: float) -> None:
    judged = evaluation(with_variant("int8", slices=dict.fromkeys(GATES.slices, share)))
    assert judge(case(judged)).outcome == "promote"


def fp32_alone() -> tuple[Evaluation, Gates]:
    good, report = model(), variant("fp32")
    judged = evaluation(replace(good, variants={"fp32": report}, parity={"fp32": good.parity["fp32"]}))
    return judged, replace(GATES, parity={"fp32": GATES.parity["fp32"]})


def test_a_stage_may_ask_for_fp32_alone() -> None:
    judged, gates = fp32_alone()
    verdict = judge(case(judged, gates=gates, served="fp32"))
    reasons = {result.rule: result.reason for result in verdict.rules}
    assert verdict.outcome == "promote", verdict.reason
    assert reasons["int8_loss"] == "not both of fp32 and int8 are asked for"
    assert reasons["latency"] == "no champion to compare with"


def test_the_reason_names_where_a_number_is_missing() -> None:
    verdict = judge(case(duel(with_variant("int8", accuracy=math.nan))))
    assert "finite: challenger.variants.int8.accuracy is nan" in verdict.reason


def test_a_class_without_images_cannot_be_judged() -> None:
    rows = [list(row) for row in variant("int8").confusion]
    rows[1][1], rows[1][2], rows[0][0] = 0, 0, rows[0][0] + 100
    verdict = judge(case(duel(with_variant("int8", confusion=tuple(map(tuple, rows))))))
    assert verdict.outcome == "error" and "class 'class-1'" in verdict.reason


def test_a_label_that_repeats_is_an_error() -> None:
    twice = (LABELS[0], *LABELS[:9])
    per_class = dict.fromkeys(twice, 0.9)
    variants = {name: variant(name, per_class=per_class) for name in ("fp32", "int8")}
    judged = evaluation(replace(model(), labels=twice, variants=variants))
    verdict = judge(case(judged, package=replace(package(judged), labels=twice)))
    assert verdict.outcome == "error" and "labels: labels ['class-0', 'class-0'" in verdict.reason


def test_many_problems_are_counted_and_the_first_three_listed() -> None:
    three = case(duel(int8_without_classes(3)))
    four = case(duel(int8_without_classes(4)))
    assert "more" not in judge(three).reason
    assert judge(four).reason.endswith("class 'class-2' is missing: evaluate again; and 1 more")


def int8_without_classes(count: int) -> ModelReport:
    return with_variant("int8", per_class={label: 0.9 for label in LABELS[count:]})


def test_a_rejection_does_not_speak_of_the_champion_that_is_not_there() -> None:
    assert "champion" not in judge(case(evaluation(model(70)))).reason
