"""Reference statistics are those of the images given."""

from __future__ import annotations

import numpy as np
import pytest

from vision.data import LABELS, Split
from vision.reference import distribution, reference


def test_brightness_and_shares_are_the_training_images() -> None:
    images = np.repeat(np.array([10, 30], np.uint8), 28 * 28).reshape(2, 28, 28)
    told = reference(Split(images, np.array([0, 1])), np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert (told["images"], told["brightness"]["mean"], told["contrast"]["mean"]) == (2, 20.0, 0.0)
    assert told["confidence"]["mean"] == 0.75
    assert (told["classes"][LABELS[0]], told["classes"][LABELS[2]]) == (0.5, 0.0)


def test_a_distribution_names_its_quantiles() -> None:
    told = distribution(np.arange(101))
    assert told["quantiles"] == {"0.05": 5.0, "0.25": 25.0, "0.5": 50.0, "0.75": 75.0, "0.95": 95.0}
    assert told["std"] == pytest.approx(29.1548)
