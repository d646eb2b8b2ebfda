"""The figures of load and stream: percentiles, failures, accuracy by frame and by item, the frames that are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.annotate import GREEN, RED, draw, pick
from serving.errors import ServingError
from serving.figures import percentile
from serving.load import Sample, summarise
from serving.truth import Seen, Truth, accuracy, item_accuracy, read_truth

TRUTH = Truth((0, 0, 4, 4), {0: "a", 1: "a", 2: "a", 4: "b"}, {0: 7, 1: 7, 2: 7, 4: 8})


def seen(*labels: str) -> list[Seen]:
    """Return what was said of frames 0, 1, ..."""
    return [Seen(frame, label, 0.5, TRUTH.labels.get(frame)) for frame, label in enumerate(labels)]


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_percentile_is_a_value_that_enough_values_do_not_exceed(values: list[float]) -> None:
    ordered = sorted(values)
    for percent in (50, 95, 99):
        found = percentile(ordered, percent)
        assert found in ordered
        assert sum(value <= found for value in ordered) >= percent / 100 * len(ordered)


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 50) is None


def test_whatever_is_not_answered_with_200_counts_as_failed() -> None:
    samples = [
        Sample(1, 5, 200, 1),
        Sample(2, 7, 200, 2),
        Sample(3, 6, 200, 2),
        Sample(4, 1, 0, None),
        Sample(5, 1, 500, 2),
    ]
    figures = summarise(samples)
    assert (figures["requests_total"], figures["requests_failed"]) == (5, 2)
    assert (figures["versions"], figures["ms_p50"], figures["ms_p99"]) == ({"1": 1, "2": 2}, 6, 7)
    assert summarise([])["ms_p50"] is None


def test_accuracy_counts_frames_with_an_item_only() -> None:
    assert accuracy(seen("a", "x", "a", "x", "b")) == 3 / 4
    assert accuracy(seen()) is None


def test_an_item_is_right_where_most_of_its_frames_are() -> None:
    assert item_accuracy(seen("a", "x", "a", "x", "x"), TRUTH) == (2, 1 / 2)
    assert item_accuracy(seen(), TRUTH) == (0, None)


def test_truth_holds_the_frames_that_show_an_item(tmp_path: Path) -> None:
    frames = [{"frame": 0, "item": None, "label": None}, {"frame": 1, "item": 3, "label": "Bag", "box": [1, 2, 3, 4]}]
    (tmp_path / "truth.json").write_text(json.dumps({"region": [1, 2, 3, 4], "frames": frames}), encoding="utf-8")
    assert read_truth(tmp_path / "truth.json") == Truth((1, 2, 3, 4), {1: "Bag"}, {1: 3})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"region": [1], "frames": []}', '{"region": 1, "frames": [{}]}'])
def test_a_malformed_truth_is_refused_and_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "truth.json").write_text(content, encoding="utf-8")
    with pytest.raises(ServingError, match="truth.json: cannot be used"):
        read_truth(tmp_path / "truth.json")


@given(st.integers(0, 200), st.integers(1, 9))
def test_a_few_frames_are_picked_evenly_over_a_stream_of_any_length(length: int, size: int) -> None:
    numbers = [one.frame for one in pick([Seen(number, "a", 1.0, None) for number in range(length)], size)]
    assert len(numbers) == min(size, length)
    assert numbers == sorted(set(numbers))
    gaps = np.diff([*numbers, length])
    assert len(gaps) == 0 or gaps.max() <= 2 * max(1, length / size)


def test_frames_with_a_truth_are_picked_before_others() -> None:
    assert [one.frame for one in pick(seen("a", "a", "a", "a", "b", "x"), 8)] == [0, 1, 2, 4]


@pytest.mark.parametrize(("label", "colour"), [("a", GREEN), ("x", RED)])
def test_a_box_is_green_where_right_and_red_where_wrong(label: str, colour: tuple[int, int, int]) -> None:
    image = draw(np.zeros((120, 160, 3), np.uint8), (40, 20, 60, 50), Seen(0, label, 0.5, "a"))
    assert image.size == (160, 120)
    corners = [(40, 20), (99, 20), (40, 69), (99, 69)]
    assert [image.getpixel(corner) for corner in corners] == [colour] * 4
