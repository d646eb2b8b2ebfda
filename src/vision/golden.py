"""The golden set: a few test frames, and what each variant predicts for them, by which a deployment is recognised."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from vision.data import Split
from vision.frames import to_frames

FRAMES = 16
MOST_FRAMES = 32  # a package must stay small: of more classes than that, not each has a frame
SURENESS = 0.85


def choose(test: Split, probabilities: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the indices of FRAMES test images or one a class, up to MOST_FRAMES.

    They are rightly decided, about as surely as SURENESS. Of surer ones every good model says 1.00, so that they tell
    no model from another; less sure ones might be flipped by another processor's rounding. `probabilities`
    [N,classes] by variant; all variants count.
    """
    right = np.all([rows.argmax(axis=1) == test.labels for rows in probabilities.values()], axis=0)
    distance = np.max([np.abs(rows.max(axis=1) - SURENESS) for rows in probabilities.values()], axis=0)
    order = np.argsort(np.where(right, distance, 1 + distance), kind="stable")
    of_class = [order[test.labels[order] == label][:2] for label in range(len(test.names))]
    firsts, seconds = ([pair[turn] for pair in of_class if len(pair) > turn] for turn in (0, 1))
    return np.array([*firsts, *seconds][: min(max(FRAMES, len(test.names)), MOST_FRAMES)])


def golden(test: Split, chosen: np.ndarray, probabilities: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what golden.json holds; `probabilities` [N,classes] by variant."""
    frames = to_frames(test.images[chosen])
    return {
        "schema": 1,
        "shape": list(frames.shape),
        "frames_base64": base64.b64encode(frames.tobytes()).decode(),
        "variants": {name: _predictions(rows[chosen], test.names) for name, rows in probabilities.items()},
    }


def _predictions(rows: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    labels = [names[index] for index in rows.argmax(axis=1)]
    return {"labels": labels, "scores": [[round(float(score), 6) for score in row] for row in rows]}
