"""The test images as cameras spoil them: blur, noise, dark, shifted, low resolution. Seeded: each run sees the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from vision.data import Split

SEED = 11
IMAGES = 2000
BLUR_RADIUS = 1.0  # pixels, of SIDE
NOISE_SIGMA = 25.0  # of 255
DARK_FACTOR = 0.35
LARGEST_SHIFT = 2  # pixels, of SIDE
LOW_SHARE = 2  # pixels that become one, each way
SIDE = 28  # pixels: larger images are spoiled in proportion


def subset(test: Split) -> Split:
    """Return at most IMAGES of the test images, with each class's share kept: every so-many-th of each class."""
    if len(test) <= IMAGES:
        return test
    by_class = np.argsort(test.labels, kind="stable")
    chosen = np.sort(by_class[np.linspace(0, len(test) - 1, IMAGES).astype(int)])
    return replace(test, images=test.images[chosen], labels=test.labels[chosen])


def blur(images: np.ndarray) -> np.ndarray:
    """Out of focus."""
    return _each(images, lambda image: image.filter(ImageFilter.GaussianBlur(BLUR_RADIUS * _scale(images))))


def noise(images: np.ndarray) -> np.ndarray:
    """A sensor at high gain."""
    spoiled = images + np.random.default_rng(SEED).normal(0, NOISE_SIGMA, images.shape)
    return np.clip(np.rint(spoiled), 0, 255).astype(np.uint8)


def dark(images: np.ndarray) -> np.ndarray:
    """Too little light."""
    return np.rint(images * DARK_FACTOR).astype(np.uint8)


def shifted(images: np.ndarray) -> np.ndarray:
    """Not in the middle: moved by up to LARGEST_SHIFT pixels each way, black moving in."""
    most = round(LARGEST_SHIFT * _scale(images))
    offsets = np.random.default_rng(SEED).integers(-most, most + 1, (len(images), 2))
    padded = np.pad(images, ((0, 0), (most,) * 2, (most,) * 2, (0, 0))[: images.ndim])
    starts = most + offsets
    height, width = images.shape[1:3]
    return np.stack([image[y : y + height, x : x + width] for image, (y, x) in zip(padded, starts, strict=True)])


def low_resolution(images: np.ndarray) -> np.ndarray:
    """Far away: half the pixels each way, enlarged again."""
    size = images.shape[2], images.shape[1]
    small = (max(size[0] // LOW_SHARE, 1), max(size[1] // LOW_SHARE, 1))
    return _each(
        images, lambda image: image.resize(small, Image.Resampling.BOX).resize(size, Image.Resampling.BILINEAR)
    )


SLICES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blur": blur,
    "noise": noise,
    "dark": dark,
    "shifted": shifted,
    "low_resolution": low_resolution,
}


def _scale(images: np.ndarray) -> float:
    return max(1.0, min(images.shape[1:3]) / SIDE)


def _each(images: np.ndarray, spoil: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(spoil(Image.fromarray(image))) for image in images])
