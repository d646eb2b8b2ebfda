"""Statistics of the training images and of the confidence on them: what drift on the edge is measured against.

serving.streams.drift sees frames by the same formulas: a unit test holds the two together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vision.data import Split

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
THUMBNAIL = 64  # pixels: larger images are looked at in this size
SAMPLES = 2  # pixels across that one pixel of a thumbnail is the mean of
CHUNK = 4096  # images


def reference(train: Split, probabilities: np.ndarray) -> dict[str, Any]:
    """Return what reference.json holds. `probabilities` [M,classes] are the model's on some training images."""
    side = min(THUMBNAIL, *train.images.shape[1:3])
    chunks = [train.images[start : start + CHUNK] for start in range(0, len(train), CHUNK)]
    brightness, contrast, sharpness = np.concatenate([looks(thumbnails(chunk, side)) for chunk in chunks], axis=1)
    shares = np.bincount(train.labels, minlength=len(train.names)) / len(train)
    return {
        "schema": 1,
        "images": len(train),
        "thumbnail": side,
        "brightness": distribution(brightness),
        "contrast": distribution(contrast),
        "sharpness": distribution(sharpness),
        "confidence": distribution(probabilities.max(axis=1)),
        "classes": {label: round(float(share), 6) for label, share in zip(train.names, shares, strict=True)},
    }


def thumbnails(images: np.ndarray, side: int) -> np.ndarray:
    """Return images, uint8 [N,height,width] or RGB, as gray float32 [N,side,side]; gray ones of that size stay so."""
    rows, columns = (samples(length, side) for length in images.shape[1:3])
    sampled = images[:, rows][:, :, columns].astype(np.float32)
    if sampled.ndim == 4:
        sampled = sampled.mean(axis=3)
    return sampled.reshape(len(images), side, SAMPLES, side, SAMPLES).mean(axis=(2, 4))


def samples(length: int, side: int) -> np.ndarray:
    """Return which of `length` pixels are looked at for a thumbnail of `side`, int64 [side * SAMPLES]."""
    return (np.arange(side * SAMPLES) * 2 + 1) * length // (2 * side * SAMPLES)


def looks(images: np.ndarray) -> np.ndarray:
    """Return brightness (mean), contrast (standard deviation), sharpness (variance of the Laplacian): [3,N].

    The images are float32 [N,height,width].
    """
    middle = images[:, 1:-1, 1:-1]
    around = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return np.stack([images.mean(axis=(1, 2)), images.std(axis=(1, 2)), (around - 4 * middle).var(axis=(1, 2))])


def distribution(values: np.ndarray) -> dict[str, Any]:
    """Return mean, standard deviation and quantiles of values [N], rounded so that machines agree.

    `shares` are of the values below the lowest quantile, from it to below the next, and so on; equal quantiles count
    once. They say more than the quantiles' names where many values are equal.
    """
    quantiles = {f"{quantile:g}": round(float(np.quantile(values, quantile)), 4) for quantile in QUANTILES}
    edges = sorted(set(quantiles.values()))
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return {
        "mean": round(float(values.mean()), 4),
        "std": round(float(values.std()), 4),
        "quantiles": quantiles,
        "shares": [round(float(share), 6) for share in counts / len(values)],
    }
