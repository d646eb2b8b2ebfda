"""The images that clients send: those of a folder, one file, or the golden frames of a model package."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from serving.errors import ServingError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
GOLDEN_FILE = "golden.json"


def read_samples(path: Path) -> list[bytes]:
    """Return encoded images. Raises ServingError where there are none, or golden.json can't be read."""
    if path.is_file():
        return [path.read_bytes()]
    if (path / GOLDEN_FILE).exists():
        return _golden_images(path / GOLDEN_FILE)
    files = sorted(file for file in path.glob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ServingError(
            f"{path}: holds neither {GOLDEN_FILE} nor images ({', '.join(SUFFIXES)}): name another folder"
        )
    return [file.read_bytes() for file in files]


def _golden_images(path: Path) -> list[bytes]:
    try:
        golden = json.loads(path.read_text(encoding="utf-8"))
        frames = np.frombuffer(base64.b64decode(golden["frames_base64"]), np.uint8).reshape(golden["shape"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServingError(f"{path}: is malformed ({error}): evaluate the model again") from None
    return [_png(frame) for frame in frames]


def _png(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()
