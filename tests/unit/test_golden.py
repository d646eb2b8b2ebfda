"""The golden set shows each class, decided clearly but not beyond doubt, with what each variant said of it."""

from __future__ import annotations

import base64

import numpy as np

from vision.data import LABELS, Split
from vision.golden import FRAMES, choose, golden


def case() -> tuple[Split, np.ndarray]:
    labels = np.arange(60) % 10
    images = np.random.default_rng(5).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    sure = np.linspace(0.2, 0.99, 60)
    rows = np.tile(((1 - sure) / 9)[:, None], (1, 10))
    rows[np.arange(60), labels] = sure
    rows[59] = rows[59][::-1]  # the surest of all is wrong
    return Split(images, labels), rows


def test_each_class_is_shown_and_no_wrong_decision_is() -> None:
    test, rows = case()
    chosen = choose(test, {"fp32": rows})
    assert len(chosen) == FRAMES == len(set(chosen))
    assert set(test.labels[chosen]) == set(range(10))
    assert 59 not in chosen


def test_what_is_chosen_is_neither_in_doubt_nor_beyond_it() -> None:
    test, rows = case()
    sureness = rows[choose(test, {"fp32": rows})].max(axis=1)
    assert sureness.min() > 0.7
    assert sureness.max() < 0.98


def test_a_frame_that_one_variant_decides_wrongly_is_not_chosen() -> None:
    test, rows = case()
    other = rows.copy()
    favourite = choose(test, {"fp32": rows})[0]
    other[favourite] = np.roll(other[favourite], 1)
    assert favourite not in choose(test, {"fp32": rows, "int8": other})


def test_a_class_that_is_never_right_is_shown_all_the_same() -> None:
    test, rows = case()
    rows[test.labels == 4] = np.roll(rows[test.labels == 4], 1, axis=1)
    assert set(test.labels[choose(test, {"fp32": rows})]) == set(range(10))


def test_frames_are_the_images_bytes_and_labels_are_names() -> None:
    test, rows = case()
    chosen = choose(test, {"fp32": rows})
    told = golden(test, chosen, {"fp32": rows})
    frames = np.frombuffer(base64.b64decode(told["frames_base64"]), np.uint8).reshape(told["shape"])
    assert np.array_equal(frames[..., 1], test.images[chosen])
    assert told["variants"]["fp32"]["labels"] == [LABELS[label] for label in test.labels[chosen]]
