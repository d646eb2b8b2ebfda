"""Each rule against the bad case that it is there for. A rule without one fails test_every_rule_has_a_bad_case."""

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
from mlops.case import Case, Package
from mlops.config import DeviceGates
from mlops.policy import RULES, exit_code, judge
from mlops.evaluation import Evaluation, ModelReport, Parity, TestSet

ERROR, REJECT = "error", "reject"
SLOW = replace(GATES, devices={"cpu": DeviceGates(1.5, 1.2, 0.1)})


def on(test_set: TestSet) -> Evaluation:
    return replace(duel(), test_set=test_set)


def without(challenger: ModelReport, field: str, key: str) -> ModelReport:
    left = {name: value for name, value in getattr(challenger, field).items() if name != key}
    return replace(challenger, **{field: left})  # type: ignore[arg-type]


def int8_without(field: str, key: str) -> ModelReport:
    return with_variant("int8", **{field: {k: v for k, v in getattr(variant("int8"), field).items() if k != key}})


def zero() -> ModelReport:
    """A model that gets nothing right: 0.0 is a measured value."""
    return replace(model(), variants={name: variant(name, 0) for name in ("fp32", "int8")})


def swapped() -> ModelReport:
    """The fp32 file under the int8 name and the other way round."""
    good = model().variants
    return replace(model(), variants={"fp32": good["int8"], "int8": good["fp32"]})


def one_class_given_up() -> ModelReport:
    """Class 0 drops from 90 to 60 of 100, all others rise to 94: the average is better."""
    rows = [list(row) for row in variant("int8", 94).confusion]
    rows[0][0], rows[0][1] = 60, 40
    per_class = {label: 0.94 for label in LABELS} | {LABELS[0]: 0.6}
    return with_variant("int8", confusion=tuple(map(tuple, rows)), per_class=per_class, accuracy=0.906)


def blind_in_the_dark() -> ModelReport:
    return with_variant("int8", slices=variant("int8").slices | {"dark": 0.1})


def champion_report(**changes: object) -> Evaluation:
    judged = duel()
    assert judged.champion
    return replace(judged, champion=replace(judged.champion, **changes))  # type: ignore[arg-type]


def packed(**changes: object) -> Package:
    return replace(package(duel()), **changes)  # type: ignore[arg-type]


def files(**changes: str) -> Package:
    return packed(digests=package(duel()).digests | {f"{name}.onnx": digest for name, digest in changes.items()})


def itself() -> Evaluation:
    return duel(replace(model(), variants=model(name="old").variants))


GOOD_SET = duel().test_set
REVERSED = tuple(reversed(LABELS))

# (what is wrong, rule that says so, outcome, the case, words of the reason)
BAD: list[tuple[str, str, str, Case, str]] = [
    ("no int8 variant", "complete", ERROR, case(duel(without(model(), "variants", "int8"))), "int8 is missing"),
    ("no int8 parity", "complete", ERROR, case(duel(without(model(), "parity", "int8"))), "parity is missing"),
    (
        "missing class",
        "complete",
        ERROR,
        case(duel(int8_without("per_class", "class-4"))),
        "class 'class-4' is missing",
    ),
    ("missing slice", "complete", ERROR, case(duel(int8_without("slices", "dark"))), "slice 'dark' is missing"),
    ("no matrix", "complete", ERROR, case(duel(with_variant("int8", confusion=()))), "confusion matrix is not 10 x 10"),
    ("no interval", "complete", ERROR, case(duel(with_variant("int8", accuracy_interval=()))), "no interval"),
    ("champion lacks int8", "complete", ERROR, case(champion_report(variants={})), "champion int8 is missing"),
    (
        "variant without limits",
        "complete",
        ERROR,
        case(gates=replace(GATES, parity={})),
        "no limits under gates.parity",
    ),
    ("NaN accuracy", "finite", ERROR, case(duel(with_variant("int8", accuracy=math.nan))), "accuracy is nan"),
    (
        "NaN in a slice",
        "finite",
        ERROR,
        case(duel(with_variant("fp32", slices={p: math.nan for p in GATES.slices}))),
        "nan",
    ),
    ("infinite parity", "finite", ERROR, case(duel(with_parity("int8", math.inf, 1.0))), "max_abs_diff is inf"),
    ("NaN of the champion", "finite", ERROR, case(champion_report(parity={"int8": Parity(0, math.nan, 0, {})})), "nan"),
    ("empty test set", "test_set", ERROR, case(on(replace(GOOD_SET, images=0))), "the test set is empty"),
    ("few images", "test_set", ERROR, case(on(replace(GOOD_SET, images=999))), "999 images, fewer than 1000"),
    (
        "embellished",
        "consistent",
        ERROR,
        case(duel(with_variant("int8", accuracy=0.99))),
        "confusion matrix says 0.9000",
    ),
    (
        "embellished class",
        "consistent",
        ERROR,
        case(duel(with_variant("int8", per_class={x: 0.99 for x in LABELS}))),
        "90 right",
    ),
    ("other test set", "consistent", ERROR, case(on(replace(GOOD_SET, images=2000))), "counts 1000 images"),
    ("negative share", "consistent", ERROR, case(duel(with_variant("int8", calibration_error=-0.1))), "not a share"),
    ("not a share", "consistent", ERROR, case(duel(with_variant("int8", calibration_error=7.0))), "not a share"),
    ("no latency", "consistent", ERROR, case(duel(with_variant("int8", latency_ms_p50=0.0))), "must be above 0"),
    (
        "other data version",
        "data_version",
        ERROR,
        case(on(replace(GOOD_SET, data_version="ffff"))),
        "evaluated on data version ffff",
    ),
    (
        "other file packaged",
        "packaged",
        ERROR,
        case(package=files(model_int8="sha256:0")),
        "model_int8.onnx is not the file",
    ),
    (
        "file not evaluated",
        "packaged",
        ERROR,
        case(package=files(model_fp16="sha256:0")),
        "model_fp16.onnx was not evaluated",
    ),
    ("nothing packaged", "packaged", ERROR, case(package=packed(digests={})), "the package lacks contract.json"),
    ("swapped variants", "precision", ERROR, case(duel(swapped())), "model_int8.onnx is fp32 inside"),
    ("fp32 as int8", "precision", ERROR, case(duel(with_variant("int8", precision="fp32"))), "swapped or one was not"),
    ("labels.json reordered", "labels", ERROR, case(package=packed(labels=REVERSED)), "'class-9' instead of 'class-0'"),
    (
        "champion's order",
        "labels",
        ERROR,
        case(champion_report(labels=REVERSED)),
        "label order differs from the champion",
    ),
    (
        "one label more",
        "labels",
        ERROR,
        case(package=packed(labels=(*LABELS, "x"))),
        "has 11 labels, the evaluation has 10",
    ),
    (
        "stale champion",
        "champion",
        ERROR,
        case(champion=replace(CHAMPION, version=4)),
        "compared with version 3, but the stage serves version 4",
    ),
    (
        "champion of other bytes",
        "champion",
        ERROR,
        case(champion=replace(CHAMPION, digest="sha256:0")),
        "another digest",
    ),
    ("champion ignored", "champion", ERROR, case(evaluation(), champion=CHAMPION), "compared with no champion, but"),
    ("champion is gone", "champion", ERROR, case(champion=None), "but the stage serves none"),
    ("champion with itself", "not_itself", ERROR, case(itself()), "compared with itself"),
    (
        "unknown device",
        "device_class",
        ERROR,
        case(replace(duel(), device_class="toaster")),
        "no limits for device class 'toaster'",
    ),
    ("metric of 0.0", "floor", REJECT, case(evaluation(zero())), "accuracy 0.0000 is below 0.8"),
    ("below the floor", "floor", REJECT, case(evaluation(model(79))), "accuracy 0.7900 is below 0.8"),
    ("worse model", "regression", REJECT, case(duel(model(88))), "loses 0.0200, more than 0.005"),
    (
        "one class given up",
        "class_regression",
        REJECT,
        case(duel(one_class_given_up())),
        "class 'class-0' loses 0.3000",
    ),
    ("blind in the dark", "slice_regression", REJECT, case(duel(blind_in_the_dark())), "slice 'dark' loses 0.3500"),
    (
        "int8 loses",
        "int8_loss",
        REJECT,
        case(evaluation(replace(model(), variants=model().variants | {"int8": variant("int8", 88)}))),
        "loses 0.0200",
    ),
    ("logits differ", "parity", REJECT, case(duel(with_parity("fp32", 0.5, 1.0))), "fp32 logits differ by 0.5"),
    (
        "decides differently",
        "parity",
        REJECT,
        case(duel(with_parity("int8", 0.5, 0.5))),
        "int8 decides alike in 0.5000",
    ),
    ("slower", "latency", REJECT, case(duel(with_variant("int8", latency_ms_p50=9.0))), "18.00 times the champion's"),
    (
        "int8 slower than fp32",
        "latency",
        REJECT,
        case(evaluation(with_variant("int8", latency_ms_p50=0.9))),
        "1.80 times the fp32's",
    ),
    ("too big", "size", REJECT, case(gates=SLOW), "takes 0.19 MiB, more than 0.1"),
    (
        "revoked before",
        "not_revoked",
        REJECT,
        case(revoked={variant("int8").sha256: 2}),
        "that of version 2, which this stage revoked",
    ),
]


@pytest.mark.parametrize(("rule", "outcome", "bad", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_case_gets_its_verdict(rule: str, outcome: str, bad: Case, words: str) -> None:
    verdict = judge(bad)
    found = {result.rule: result for result in verdict.rules}
    assert (verdict.outcome, found[rule].outcome) == (outcome, outcome)
    assert words in found[rule].reason
    assert rule in verdict.reason and "\n" not in verdict.reason
    assert exit_code(verdict) == {"error": 1, "reject": 2}[outcome]


def test_every_rule_has_a_bad_case() -> None:
    assert {row[1] for row in BAD} == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize("good", [case(), case(evaluation())], ids=["against a champion", "without a champion"])
def test_a_good_model_passes_every_rule(good: Case) -> None:
    verdict = judge(good)
    assert verdict.outcome == "promote", verdict.reason
    assert [result.rule for result in verdict.rules] == [rule.__name__ for rule in RULES]
    assert exit_code(verdict) == 0


def test_without_a_champion_it_is_said_and_only_absolute_rules_apply() -> None:
    verdict = judge(case(evaluation()))
    assert "no champion: only absolute rules apply" in verdict.reason
    reasons = {result.rule: result.reason for result in verdict.rules}
    assert reasons["champion"] == "no champion: only absolute rules apply"
    assert reasons["regression"] == reasons["class_regression"] == "no champion to compare with"
