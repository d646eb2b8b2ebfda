"""Images as frames. numpy only, so that whoever runs a model without PyTorch makes frames as training does."""

from __future__ import annotations

import numpy as np


def to_frames(images: np.ndarray) -> np.ndarray:
    """Return gray images, uint8 [N,H,W], as a camera would give them: uint8 [N,H,W,3], the three channels equal.

    Images that are RGB already stay what they are.
    """
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)
