"""Makes a small data set for tests in Fashion-MNIST's files: ten classes of stripes, which a network learns at once."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np


def stripes(count: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return `count` noisy 28x28 images, of which the label is where their stripe stands."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    for label in range(10):
        column = 4 + 2 * label
        images[labels == label, 4:24, column : column + 3] += 150
    return images, labels.astype(np.uint8)


def write_raw(folder: Path) -> Path:
    """Write the four files of the official split, in IDX (http://yann.lecun.com/exdb/mnist), from stripes."""
    folder.mkdir()
    for name, count, seed in (("train", 2400, 1), ("t10k", 1000, 2)):
        images, labels = stripes(count, seed)
        head = struct.pack(">IIII", 0x803, count, 28, 28)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
    return folder
