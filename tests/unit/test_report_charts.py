"""Charts say what their values say: where marks stand, how long bars are, and nothing where nothing is known."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from mlops.report.charts import Bar, BarGroup, Mark, Row, bars, heatmap, shares
from mlops.report.collect import Prediction
from mlops.report.markup import Markup, element
from mlops.report.quality_sections import wilson
from mlops.report.story import Span
from mlops.report.svg import Scale, fitted, ticks
from mlops.report.timecharts import Moment, frames_strip, lanes_chart, traffic_chart
from mlops.report.traffic import Bin, Traffic

NASTY = "<script>alert('x')</script> & \"more\""


def shapes(svg: str, tag: str, kind: str) -> list[ElementTree.Element]:
    """Return the elements of a chart that have a tag and a class."""
    root = ElementTree.fromstring(svg)
    return [one for one in root.iter(tag) if kind in (one.get("class") or "").split()]


def number(one: ElementTree.Element, name: str) -> float:
    """Return an attribute as a number."""
    return float(one.attrib[name])


def traffic_of(*bins: Bin) -> Traffic:
    """Return bins of one second each."""
    return Traffic(100.0, 1.0, bins)


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "a < b", Markup("<b>c</b>"), title='"') == '<p title="&quot;">a &lt; b<b>c</b></p>'


def test_a_scale_keeps_to_its_ends() -> None:
    scale = Scale(10, 20, 0, 100)
    assert [scale.at(value) for value in (0, 10, 15, 20, 99)] == [0, 0, 50, 100, 100]
    assert Scale(1, 1, 0, 100).at(1) == 0


@pytest.mark.parametrize("low, high", [(0, 1), (0.7, 0.95), (0.913, 0.917), (0, 180), (3, 3), (0, 1e-9)])
@pytest.mark.parametrize("most", [1, 2, 5, 15])
def test_ticks_are_few_and_inside(low: float, high: float, most: int) -> None:
    marks = ticks(low, high, most)
    assert len(marks) <= most
    assert all(low - 1e-12 <= mark <= high + 1e-9 for mark in marks)


def test_ticks_are_round() -> None:
    assert ticks(0.52, 0.98, 5) == [0.6, 0.7, 0.8, 0.9]


def test_a_better_share_stands_further_right_and_its_interval_around_it() -> None:
    row = Row("all", (Mark(0.9, "a", (0.88, 0.92)), Mark(0.8, "b", (0.78, 0.82))), "90 %", "+10")
    svg = shares([row], 400, "title")
    better, worse = (shapes(svg, "circle", f"fill-{kind}")[0] for kind in "ab")
    whisker = shapes(svg, "line", "line-a")[0]
    assert number(worse, "cx") < number(whisker, "x1") < number(better, "cx") < number(whisker, "x2") < 400


def test_shares_without_intervals_stand_on_one_line() -> None:
    svg = shares([Row("dark", (Mark(0.9, "a"), Mark(0.8, "b")), "90 %")], 400, "title")
    assert shapes(svg, "line", "whisker") == []
    joint = shapes(svg, "line", "joint")[0]
    marks = shapes(svg, "circle", "mark")
    assert sorted(number(mark, "cx") for mark in marks) == [number(joint, "x1"), number(joint, "x2")]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_at_the_end_of_the_scale_is_drawn(share: float) -> None:
    svg = shares([Row("all", (Mark(share, "a", (share, share)),), "x")], 400, "title")
    assert len(shapes(svg, "circle", "mark")) == 1


def test_bars_of_a_group_are_in_proportion() -> None:
    size = BarGroup("Size", (Bar("fp32", 100, "100 KiB", "x"), Bar("int8", 25, "25 KiB", "y")))
    svg = bars([size, BarGroup("None", (Bar("fp32", 0.0, "0", "z"),))], 400, "title")
    long, short = (number(shapes(svg, "rect", f"fill-{kind}")[0], "width") for kind in "xy")
    assert long == pytest.approx(4 * short, rel=0.01)


def test_a_confusion_matrix_has_a_cell_a_pair_and_no_number_where_nothing_happened() -> None:
    svg = heatmap([[9, 1], [0, 10]], ["cat", "dog"], 400, "title")
    assert len(shapes(svg, "rect", "heat")) == 4
    assert [one.text for one in shapes(svg, "text", "cell")] == ["9", "1", "10"]
    assert "cat taken for dog: 1 of 10" in svg


def test_a_class_without_images_is_no_division_by_zero() -> None:
    assert len(shapes(heatmap([[0, 0], [0, 0]], ["cat", "dog"], 400, "title"), "rect", "heat")) == 4


def test_the_areas_of_a_bin_fill_it_by_the_versions_shares() -> None:
    svg = traffic_chart(traffic_of(Bin({1: 30, 2: 10}, 0)), 100.0, [], {1: "one", 2: "two"}, 400)
    heights = {}
    for kind in ("one", "two"):
        points = [point.split(",") for point in shapes(svg, "polygon", f"fill-{kind}")[0].attrib["points"].split()]
        ys = [float(y) for _, y in points]
        heights[kind] = max(ys) - min(ys)
    assert heights["one"] == pytest.approx(3 * heights["two"], rel=0.01)


def test_nothing_is_drawn_where_nobody_was_answered() -> None:
    gap = traffic_of(Bin({1: 5}, 0), Bin({}, 0), Bin({}, 4), Bin({1: 5}, 0))
    svg = traffic_chart(gap, 100.0, [], {1: "one"}, 400)
    assert len(shapes(svg, "polygon", "area")) == 2
    assert len(shapes(svg, "rect", "failed")) == 1


def test_failed_requests_stand_on_top_of_the_answered_ones() -> None:
    svg = traffic_chart(traffic_of(Bin({1: 15}, 5)), 100.0, [], {1: "one"}, 400)
    answered, failed = shapes(svg, "rect", "rate")[0], shapes(svg, "rect", "failed")[0]
    assert number(failed, "y") + number(failed, "height") == pytest.approx(number(answered, "y"), abs=0.02)
    assert number(answered, "height") == pytest.approx(3 * number(failed, "height"), rel=0.01)


def test_moments_close_together_do_not_cover_each_other() -> None:
    moments = [Moment(100.0 + at, number, "x", "good") for number, at in enumerate((1.0, 1.01, 1.02, 8.0), start=1)]
    svg = traffic_chart(traffic_of(*[Bin({1: 1}, 0)] * 10), 100.0, moments, {1: "one"}, 400)
    places = [(number(one, "cx"), number(one, "cy")) for one in shapes(svg, "circle", "marker")]
    assert len(places) == 4
    assert min(math.dist(a, b) for a in places for b in places if a != b) >= 16


def test_acts_stand_in_the_lane_of_their_model() -> None:
    spans = [Span("train v1", "v1", 0.0, 6.0), Span("make the clip", "", 6.0, 3.0)]
    svg = lanes_chart(spans, ["v1"], {"v1": "one"}, 400)
    train, clip = shapes(svg, "rect", "span")
    assert number(train, "y") < number(clip, "y") and number(train, "x") < number(clip, "x")
    assert number(train, "width") == pytest.approx(2 * number(clip, "width"), rel=0.02)


def test_frames_are_right_wrong_or_idle() -> None:
    said = [(None, "Bag"), ("Bag", "Bag"), ("Bag", "Bag"), ("Bag", "Coat"), (None, "Coat")]
    svg = frames_strip([Prediction(i, label, 0.9, truth) for i, (truth, label) in enumerate(said)], 500)
    widths = {k: [number(r, "width") for r in shapes(svg, "rect", f"frame-{k}")] for k in ("idle", "right", "wrong")}
    assert widths == {"idle": [100, 100], "right": [200], "wrong": [100]}


def test_a_label_can_be_anything() -> None:
    charts = [
        shares([Row(NASTY, (Mark(0.9, "a", (0.8, 1.0), NASTY),), NASTY)], 400, NASTY),
        heatmap([[1, 2], [3, 4]], [NASTY, "b"], 400, NASTY),
        bars([BarGroup(NASTY, (Bar(NASTY, 1, NASTY, "x"),))], 400, NASTY),
        lanes_chart([Span(NASTY, "", 0, 1)], [], {}, 400),
        frames_strip([Prediction(0, NASTY, 0.5, NASTY)], 400),
    ]
    for svg in charts:
        ElementTree.fromstring(svg)
        assert "<script" not in svg


def test_every_chart_says_what_it_shows() -> None:
    svg = heatmap([[1]], ["a"], 400, "Confusion matrix")
    root = ElementTree.fromstring(svg)
    assert (root.get("role"), root.get("aria-label"), root[0].text) == ("img", "Confusion matrix", "Confusion matrix")


def test_a_long_label_is_cut_and_a_short_one_is_not() -> None:
    assert fitted("Bag", 100) == "Bag"
    assert re.fullmatch(r"a+…", fitted("a" * 100, 100))


def test_the_interval_is_the_one_that_the_evaluation_uses() -> None:
    # Wilson's interval for 90 of 100, as published tables have it
    assert wilson(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert (wilson(0, 10)[0], wilson(10, 10)[1]) == pytest.approx((0.0, 1.0))
