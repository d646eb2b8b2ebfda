"""Figures of a classifier on labelled images: functions of labels [N], decisions [N], probabilities [N,classes]."""

from __future__ import annotations

import math

import numpy as np

CALIBRATION_BINS = 15
Z_95 = 1.959963984540054


def accuracy(labels: np.ndarray, decisions: np.ndarray) -> float:
    """Return the share of right decisions, 0..1."""
    return float((labels == decisions).mean())


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in `count` trials (Wilson 1927; Brown, Cai, DasGupta 2001)."""
    square = Z_95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = Z_95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def confusion_matrix(labels: np.ndarray, decisions: np.ndarray, classes: int) -> np.ndarray:
    """Return counts [classes,classes]: row = true class, column = decision."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, decisions), 1)
    return counts


def recall_by_class(labels: np.ndarray, decisions: np.ndarray, classes: int) -> list[float]:
    """Return the share of each class's images that are right; 0 where a class has no image."""
    matrix = confusion_matrix(labels, decisions, classes)
    return [float(row[index] / max(row.sum(), 1)) for index, row in enumerate(matrix)]


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of confidence (Guo et al. 2017, arXiv:1706.04599)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    weights = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = (np.bincount(bins, values, minlength=CALIBRATION_BINS) for values in (confidence, right))
    gaps = np.abs(np.subtract(*sums))
    return float(gaps[weights > 0].sum() / len(labels))
