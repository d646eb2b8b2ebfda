"""Turns a checkpoint into a model package's content: ONNX variants, contract, labels, reference statistics, parity.

    python -m vision.export --data DIR --checkpoint DIR --out DIR [--frame-size N]

The preprocessing is in the graph, so what serves a model cannot prepare frames differently from what trained it.
`--frame-size` fixes height and width for devices that can't take any other. parity.json is written last.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vision import checkpoint
from vision.checkpoint import Checkpoint
from vision.data import Split, load_split
from vision.errors import VisionError, exit_code
from vision.export_onnx import to_onnx
from vision.files import write_bytes, write_json
from vision.frames import to_frames
from vision.parity import answers, compare, other_frames, torch_logits
from vision.preprocess import GRAY, SIZE
from vision.quantize import quantize
from vision.reference import reference
from vision.session import open_session, run_frames, softmax

REFERENCE_IMAGES = 2000
PARITY_FILE = "parity.json"


def contract(model: Checkpoint, frame_size: int | None) -> dict[str, Any]:
    """Return contract.json: what a client must send, what the graph does with it, what comes back."""
    side = frame_size or -1
    preprocess = model.model.preprocess
    return {
        "schema": 1,
        "input": {
            "name": "frames",
            "dtype": "UINT8",
            "layout": "NHWC",
            "channels": "RGB",
            "shape": [-1, side, side, 3],
        },
        "preprocessing": {
            "where": "inside the graph",
            "grayscale": list(GRAY),
            "resize": [SIZE, SIZE],
            "interpolation": "bilinear, antialiased",
            "mean": preprocess.mean,
            "std": preprocess.std,
        },
        "output": {"name": "logits", "dtype": "FP32", "shape": [-1, len(model.meta.labels)], "activation": "softmax"},
    }


def export(data: Path, folder: Path, out: Path, frame_size: int | None) -> None:
    """Write the package's content. Raises VisionError where the checkpoint or the data cannot be read."""
    if frame_size not in (None, SIZE):
        raise VisionError(
            f"--frame-size {frame_size}: the images have {SIZE} x {SIZE} pixels: use {SIZE} or leave it out"
        )
    (out / PARITY_FILE).unlink(missing_ok=True)
    model, train = checkpoint.load(folder), load_split(data, "train")
    write_json(out / "labels.json", list(model.meta.labels))
    write_json(out / "contract.json", contract(model, frame_size))
    write_bytes(out / "model_fp32.onnx", _said("fp32", to_onnx(model.model, frame_size)))
    write_json(out / "reference.json", reference(train, _confidence(train, out)))
    calibration = to_frames(load_split(data, "calibration").images)
    write_bytes(out / "model_int8.onnx", _said("int8", quantize((out / "model_fp32.onnx").read_bytes(), calibration)))
    write_json(out / PARITY_FILE, _parity(model, load_split(data, "test"), out, frame_size))


def _confidence(train: Split, out: Path) -> np.ndarray:
    frames = to_frames(train.images[:REFERENCE_IMAGES])
    return softmax(run_frames(open_session(out / "model_fp32.onnx"), frames))


def _parity(model: Checkpoint, test: Split, out: Path, frame_size: int | None) -> dict[str, Any]:
    others = [] if frame_size else other_frames(test)
    sessions = {name: open_session(out / f"model_{name}.onnx") for name in ("fp32", "int8")}
    expected = answers(partial(torch_logits, model.model), test, others)
    variants = {name: compare(expected, session, test, others) for name, session in sessions.items()}
    for name, figures in variants.items():
        print(f"parity {name}: logits within {figures['max_abs_diff']:.2g}, {figures['agreement']:.2%} equal decisions")
    images = len(test) + sum(len(batch) for batch in others)
    return {"schema": 1, "checkpoint": model.digest, "images": images, "variants": variants}


def _said(name: str, content: bytes) -> bytes:
    print(f"exported {name}: {len(content) / 1e3:.1f} kB", flush=True)
    return content


def main(arguments: list[str] | None = None) -> int:
    """Export and return the exit code: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m vision.export", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that vision.prepare wrote")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder that vision.train wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the package's content")
    parser.add_argument("--frame-size", type=int, help="the only height and width to take (default: any)")
    options = parser.parse_args(arguments)
    return exit_code(lambda: export(options.data, options.checkpoint, options.out, options.frame_size))


if __name__ == "__main__":
    sys.exit(main())
