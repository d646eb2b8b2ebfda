"""The golden set shows each class, clearly decided, with what each variant said of it."""

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
    chosen = choose(test, rows)
    assert len(chosen) == FRAMES == len(set(chosen))
    assert set(test.labels[chosen]) == set(range(10))
    assert 59 not in chosen


def test_the_clearest_are_chosen() -> None:
    test, rows = case()
    assert rows[choose(test, rows)].max(axis=1).min() > 0.7


def test_frames_are_the_images_bytes_and_labels_are_names() -> None:
    test, rows = case()
    chosen = choose(test, rows)
    told = golden(test, chosen, {"fp32": rows})
    frames = np.frombuffer(base64.b64decode(told["frames_base64"]), np.uint8).reshape(told["shape"])
    assert np.array_equal(frames[..., 1], test.images[chosen])
    assert told["variants"]["fp32"]["labels"] == [LABELS[label] for label in test.labels[chosen]]
