"""Reference statistics are those of the images given."""

from __future__ import annotations

import numpy as np
import pytest

from vision.data import LABELS, Split
from vision.reference import CHUNK, THUMBNAIL, distribution, looks, reference, thumbnails


def test_brightness_and_shares_are_the_training_images() -> None:
    images = np.repeat(np.array([10, 30], np.uint8), 28 * 28).reshape(2, 28, 28)
    told = reference(Split(images, np.array([0, 1])), np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert (told["images"], told["brightness"]["mean"], told["contrast"]["mean"]) == (2, 20.0, 0.0)
    assert told["confidence"]["mean"] == 0.75
    assert (told["classes"][LABELS[0]], told["classes"][LABELS[2]]) == (0.5, 0.0)


def test_small_images_are_looked_at_as_they_are_and_large_ones_in_small() -> None:
    for side, looked in ((28, 28), (100, THUMBNAIL)):
        images = np.random.default_rng(1).integers(0, 256, (3, side, side), np.uint8)
        told = reference(Split(images, np.zeros(3, int)), np.ones((3, 1)))
        assert told["thumbnail"] == looked
    small = np.random.default_rng(1).integers(0, 256, (3, 28, 28), np.uint8)
    assert (thumbnails(small, 28) == small).all()


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    image = np.zeros((1, 5, 5), np.float32)
    image[0, 2, 2] = 1
    laplacian = np.array([0, 1, 0, 1, -4, 1, 0, 1, 0])
    assert looks(image)[:, 0] == pytest.approx([image.mean(), image.std(), laplacian.var()])


def test_images_beyond_a_chunk_count_like_the_others() -> None:
    values = np.arange(CHUNK + 10) % 200
    images = np.broadcast_to(values[:, None, None], (len(values), 4, 4)).astype(np.uint8)
    told = reference(Split(images, np.zeros(len(values), int)), np.ones((1, 1)))
    assert told["brightness"]["mean"] == pytest.approx(values.mean(), abs=1e-3)


def test_a_distribution_names_its_quantiles_and_the_share_between_them() -> None:
    told = distribution(np.arange(101))
    assert told["quantiles"] == {"0.05": 5.0, "0.25": 25.0, "0.5": 50.0, "0.75": 75.0, "0.95": 95.0}
    assert told["std"] == pytest.approx(29.1548)
    assert told["shares"] == pytest.approx([share / 101 for share in (5, 20, 25, 25, 20, 6)], abs=1e-6)


def test_equal_quantiles_count_once_and_the_shares_say_what_lies_where() -> None:
    told = distribution(np.array([0.5] * 4 + [1.0] * 6))
    assert told["shares"] == [0.0, 0.4, 0.6]
