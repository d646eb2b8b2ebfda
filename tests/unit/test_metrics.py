"""The figures of a classifier, against values worked out by hand or known from the literature."""

from __future__ import annotations

import numpy as np
import pytest

from vision.metrics import accuracy, calibration_error, confusion_matrix, recall_by_class, wilson_interval


def test_wilsons_interval_is_the_textbooks() -> None:
    low, high = wilson_interval(0.1, 100)
    assert (low, high) == pytest.approx((0.0552, 0.1744), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_interval_stays_within_shares_and_is_never_a_point(share: float) -> None:
    low, high = wilson_interval(share, 50)
    assert 0 <= low < high <= 1


def test_the_confusion_matrix_counts_true_classes_in_rows() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1, 9]), np.array([0, 1, 1, 9]), 10)
    assert (matrix[0, 0], matrix[0, 1], matrix[1, 1], matrix[9, 9], matrix.sum()) == (1, 1, 1, 1, 4)


def test_recall_is_by_true_class_and_zero_where_there_is_none() -> None:
    recalls = recall_by_class(np.array([0, 0, 1]), np.array([0, 1, 1]), 10)
    assert recalls[:3] == [0.5, 1.0, 0.0]


def test_accuracy_is_the_share_of_right_decisions() -> None:
    assert accuracy(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0])) == 0.75


def probabilities(confidence: float, count: int) -> np.ndarray:
    rows = np.full((count, 10), (1 - confidence) / 9)
    rows[:, 0] = confidence
    return rows


def test_confidence_that_comes_true_has_no_calibration_error() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert calibration_error(labels, probabilities(0.8, 10)) == pytest.approx(0.0, abs=1e-12)


def test_confidence_that_does_not_come_true_is_the_error() -> None:
    labels = np.array([0] * 5 + [1] * 5)
    assert calibration_error(labels, probabilities(0.9, 10)) == pytest.approx(0.4)
