"""The original against each ONNX variant on the same decoded bytes: logits, decisions, and the task's own metric.

The original is the PyTorch model; of a model that was trained elsewhere, the file that came in.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image

from vision.classifier import Classifier
from vision.data import Split
from vision.frames import to_frames
from vision.metrics import accuracy, recall_by_class
from vision.session import Session, run_frames

OTHER_SIZES = ((48, 64), (200, 180))
OTHER_IMAGES = 32


def other_frames(split: Split) -> list[np.ndarray]:
    """Return batches of frames of camera-like sizes, uint8 [N,H,W,3]: test images enlarged, as JPEG decodes them."""
    images = split.images[:OTHER_IMAGES]
    return [np.stack([_through_jpeg(image, height, width) for image in images]) for height, width in OTHER_SIZES]


def answers(original: Callable[[np.ndarray], np.ndarray], test: Split, others: list[np.ndarray]) -> list[np.ndarray]:
    """Return the original's logits, [N,classes] each, on the test images and on `others`, more batches of frames."""
    return [original(batch) for batch in (to_frames(test.images), *others)]


def compare(expected: list[np.ndarray], session: Session, test: Split, others: list[np.ndarray]) -> Any:
    """Return what parity.json says of one variant, given the original's `answers`; on `others` logits alone count."""
    batches = [to_frames(test.images), *others]
    actual = [run_frames(session, batch) for batch in batches]
    decided = [(one.argmax(axis=1), two.argmax(axis=1)) for one, two in zip(expected, actual, strict=True)]
    before, after = (logits.argmax(axis=1) for logits in (expected[0], actual[0]))
    recalls = (recall_by_class(test.labels, decisions, len(test.names)) for decisions in (before, after))
    deltas = [two - one for one, two in zip(*recalls, strict=True)]
    return {
        "max_abs_diff": max(float(np.abs(one - two).max()) for one, two in zip(expected, actual, strict=True)),
        "agreement": float(np.concatenate([one == two for one, two in decided]).mean()),
        "accuracy_delta": accuracy(test.labels, after) - accuracy(test.labels, before),
        "per_class_delta": dict(zip(test.names, deltas, strict=True)),
    }


@torch.inference_mode()
def torch_logits(model: Classifier, frames: np.ndarray) -> np.ndarray:
    """Return PyTorch's logits, float32 [N,classes], of frames, uint8 [N,H,W,3]."""
    return torch.cat([model(part) for part in torch.from_numpy(frames).split(250)]).numpy()


def _through_jpeg(image: np.ndarray, height: int, width: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR).save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream).convert("RGB"))
