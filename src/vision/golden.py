"""The golden set: a few test frames, and what each variant predicts for them, by which a deployment is recognised."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from vision.data import LABELS, Split
from vision.frames import to_frames

FRAMES = 16


def choose(test: Split, probabilities: np.ndarray) -> np.ndarray:
    """Return the indices of FRAMES test images, each class among them, that are decided clearly and rightly.

    Clear ones, because another processor's rounding must not flip them. `probabilities` [N,classes].
    """
    right = probabilities.argmax(axis=1) == test.labels
    clearness = np.where(right, np.sort(probabilities, axis=1)[:, -1], 0.0)
    order = np.argsort(-clearness, kind="stable")
    of_class = [[index for index in order if test.labels[index] == label][:2] for label in range(len(LABELS))]
    firsts, seconds = ([pair[turn] for pair in of_class if len(pair) > turn] for turn in (0, 1))
    return np.array([*firsts, *seconds][:FRAMES])


def golden(test: Split, chosen: np.ndarray, probabilities: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what golden.json holds; `probabilities` [N,classes] by variant."""
    frames = to_frames(test.images[chosen])
    return {
        "schema": 1,
        "shape": list(frames.shape),
        "frames_base64": base64.b64encode(frames.tobytes()).decode(),
        "variants": {name: _predictions(rows[chosen]) for name, rows in probabilities.items()},
    }


def _predictions(rows: np.ndarray) -> dict[str, Any]:
    labels = [LABELS[index] for index in rows.argmax(axis=1)]
    return {"labels": labels, "scores": [[round(float(score), 6) for score in row] for row in rows]}
