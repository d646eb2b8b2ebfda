"""Statistics of the training images and of the confidence on them: what drift on the edge is measured against."""

from __future__ import annotations

from typing import Any

import numpy as np

from vision.data import LABELS, Split

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def reference(train: Split, probabilities: np.ndarray) -> dict[str, Any]:
    """Return what reference.json holds. `probabilities` [M,classes] are the model's on some training images."""
    pixels = train.images.reshape(len(train), -1)
    shares = np.bincount(train.labels, minlength=len(LABELS)) / len(train)
    return {
        "schema": 1,
        "images": len(train),
        "brightness": distribution(pixels.mean(axis=1)),
        "contrast": distribution(pixels.std(axis=1)),
        "confidence": distribution(probabilities.max(axis=1)),
        "classes": {label: round(float(share), 6) for label, share in zip(LABELS, shares, strict=True)},
    }


def distribution(values: np.ndarray) -> dict[str, Any]:
    """Return mean, standard deviation and quantiles of values [N], rounded so that machines agree."""
    quantiles = {f"{quantile:g}": round(float(np.quantile(values, quantile)), 4) for quantile in QUANTILES}
    return {"mean": round(float(values.mean()), 4), "std": round(float(values.std()), 4), "quantiles": quantiles}
