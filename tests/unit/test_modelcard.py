"""A model card is complete or refused, and the same record gives the same bytes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from evaluations import CHAMPION, DATA_VERSION, case, duel, evaluation, model, with_variant
from mlops.errors import ConfigError
from mlops.modelcard import FIELDS, TEMPLATE, CardSource, model_card
from mlops.policy import judge
from mlops.evaluation import Evaluation


def source(judged: Evaluation | None = None, **changes: object) -> CardSource:
    judged = judged or duel()
    whole = CardSource("fashion-classifier", "abc123", DATA_VERSION, "int8", judged, judge(case(judged)))
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_card_says_what_was_measured_and_where_it_comes_from() -> None:
    card = model_card(source())
    for words in (
        "# Model card: fashion-classifier",
        "abc123",
        DATA_VERSION,
        model().checkpoint,
        "class-9",
        "low_resolution",
    ):
        assert words in card
    assert f"against 0.9000 of version {CHAMPION.version} (`{CHAMPION.digest}`)" in card
    assert "| int8 | 0.9000 | 0.8800 to 0.9200 | 0.0200 | 0.500, 0.600 | 20.0 |" in card
    assert "| floor | pass | accuracy fp32 0.9000, int8 0.9000, at least 0.8 |" in card
    assert "${" not in card


def test_the_same_record_gives_the_same_bytes() -> None:
    assert model_card(source()) == model_card(source())


def test_without_a_champion_the_card_says_so() -> None:
    assert "There was none: only absolute rules applied." in model_card(source(evaluation()))


@pytest.mark.parametrize(
    ("field", "lacking"),
    [
        ("git_commit", source(git_commit="")),
        ("data_version", source(data_version=" ")),
        ("classes", source(evaluation(replace(model(), labels=())), verdict=source().verdict)),
        ("parity", source(replace(duel(), challenger=replace(model(), parity={})))),
        ("metrics", source(duel(with_variant("int8", memory_mb=math.nan)))),
        ("by_class", source(duel(with_variant("int8", per_class={})))),
        ("by_slice", source(duel(with_variant("int8", slices={})))),
        ("images", source(replace(duel(), test_set=replace(duel().test_set, images=0)))),
        ("gates", source(verdict=replace(source().verdict, rules=()))),
        ("champion", source(served="fp16")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_card_with_an_empty_field_is_refused_and_the_field_named(field: str, lacking: CardSource) -> None:
    with pytest.raises(ConfigError, match=f"'{field}'"):
        model_card(lacking)


def test_a_placeholder_that_nothing_fills_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "card.md"
    changed.write_text(TEMPLATE.read_text() + "\n${license}\n")
    with pytest.raises(ConfigError, match=r"card.md: unknown placeholder \$\{license\}"):
        model_card(source(), changed)


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_template_that_lost_a_placeholder_is_refused(field: str, tmp_path: Path) -> None:
    changed = tmp_path / "card.md"
    changed.write_text(TEMPLATE.read_text().replace(f"${{{field}}}", ""))
    with pytest.raises(ConfigError, match=rf"card.md: lacks \$\{{{field}\}}"):
        model_card(source(), changed)


def test_a_stray_dollar_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "card.md"
    changed.write_text(TEMPLATE.read_text() + "\ncosts 5 $ a month\n")
    with pytest.raises(ConfigError, match="begins no placeholder"):
        model_card(source(), changed)


def test_a_bar_in_a_label_does_not_break_the_table() -> None:
    labels = ("T-shirt|top", *model().labels[1:])
    challenger = with_variant("int8", per_class=dict.fromkeys(labels, 0.9))
    fp32 = replace(challenger.variants["fp32"], per_class=dict.fromkeys(labels, 0.9))
    named = replace(challenger, labels=labels, variants=challenger.variants | {"fp32": fp32})
    assert r"| T-shirt\|top | 0.9000 | 0.9000 |" in model_card(
        source(verdict=source().verdict, judged=evaluation(named))
    )
