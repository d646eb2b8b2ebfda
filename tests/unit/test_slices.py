"""The slices spoil as they say, the same at each run, and keep what an image is: its shape, type and class."""

from __future__ import annotations

import numpy as np
import pytest

from vision.data import Split
from vision.slices import IMAGES, SLICES, dark, shifted, subset


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_changes_images_and_keeps_their_shape(name: str) -> None:
    given = images()
    spoiled = SLICES[name](given)
    assert (spoiled.shape, spoiled.dtype) == (given.shape, given.dtype)
    assert not np.array_equal(spoiled, given)


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_is_the_same_at_each_run(name: str) -> None:
    assert np.array_equal(SLICES[name](images()), SLICES[name](images()))


def test_dark_is_darker_everywhere() -> None:
    assert (dark(images()) <= images()).all()


def test_a_shift_moves_pixels_and_invents_none() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 14, 14] = 200
    moved = shifted(image)
    assert (moved.sum(), moved.max()) == (200, 200)


def test_the_subset_keeps_each_classs_share() -> None:
    labels = np.repeat(np.arange(10), 500)
    part = subset(Split(np.zeros((5000, 28, 28), np.uint8), labels))
    assert len(part) == IMAGES
    assert np.bincount(part.labels).tolist() == [IMAGES // 10] * 10


def test_a_small_test_set_is_its_own_subset() -> None:
    split = Split(images(6), np.arange(6))
    assert subset(split) is split
