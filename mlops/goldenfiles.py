"""Asks a deployment that scores files for its predictions on a package's golden set: a job on a handful of images.

The frames become PNG files, which lose nothing, published as a data version: the same frames are uploaded once. A row
tells the best class and its score and no other, so that is what is compared. It judges nothing: mlops.verification
does.
"""

from __future__ import annotations

import base64
import struct
import tempfile
import zlib
from pathlib import Path

from mlops.errors import JobError
from mlops.ports import DataStore, Deployment, ScoredFile, Scorer
from mlops.probe import Golden, Predictions

PNG = b"\x89PNG\r\n\x1a\n"
RGB_OF_8_BITS = bytes((8, 2, 0, 0, 0))


def predict_files(scorer: Scorer, store: DataStore, deployment: Deployment, golden: Golden) -> Predictions | str:
    """Return what a deployment predicts for all golden frames, or the reason why it does not."""
    with tempfile.TemporaryDirectory() as scratch:
        names = write_frames(golden, Path(scratch))
        data = store.publish(f"{deployment.model}-golden", Path(scratch))
    try:
        rows = scorer.score(deployment, data)
    except JobError as error:
        return str(error)
    return _predictions({row.file: row for row in rows}, names, deployment)


def best_only(golden: Golden) -> Golden:
    """Return a golden set that expects the best score of each frame alone."""
    variants = {
        name: Predictions(expected.labels, tuple((max(scores),) for scores in expected.scores))
        for name, expected in golden.variants.items()
    }
    return Golden(golden.shape, golden.frames_base64, variants, golden.schema)


def write_frames(golden: Golden, folder: Path) -> list[str]:
    """Write each golden frame as a PNG file; return their names, in order."""
    count, height, width, channels = golden.shape
    content, size = base64.b64decode(golden.frames_base64), height * width * channels
    names = [f"{number:04}.png" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(png(content[number * size : (number + 1) * size], width, height))
    return names


def png(pixels: bytes, width: int, height: int) -> bytes:
    """Return raw RGB pixels, row by row, as a PNG file (www.w3.org/TR/png)."""
    rows = (pixels[start : start + 3 * width] for start in range(0, 3 * width * height, 3 * width))
    header = struct.pack(">II", width, height) + RGB_OF_8_BITS
    data = zlib.compress(b"".join(b"\0" + row for row in rows))  # each row by filter 0: as it is
    return PNG + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _predictions(rows: dict[str, ScoredFile], names: list[str], deployment: Deployment) -> Predictions | str:
    labels, scores = [], []
    for name in names:
        row = rows.get(name)
        if row is None or row.label is None or row.score is None:
            return f"{name}: {row.error if row else 'has no row'}"
        if row.digest != deployment.digest:
            return f"{name}: was scored by {row.digest}, not by {deployment.digest}"
        labels.append(row.label)
        scores.append((row.score,))
    return Predictions(tuple(labels), tuple(scores))
