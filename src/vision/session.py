"""Runs an ONNX variant as an edge device would: ONNX Runtime on the CPU, one thread.

It knows no package and no metric. One thread, because a device scores one stream a core (docs/decisions).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from vision.errors import VisionError

BATCH = 250
FATAL_ONLY = 4  # ONNX Runtime's log level: what goes wrong is raised, and said once, by us


class Session(onnxruntime.InferenceSession):
    """A session that knows which file it runs, to name it where it fails."""

    def __init__(self, path: Path, options: onnxruntime.SessionOptions) -> None:
        super().__init__(str(path), options, providers=["CPUExecutionProvider"])
        self.path = path


def open_session(path: Path) -> Session:
    """Return a session on one thread. Raises VisionError, naming the file, where ONNX Runtime refuses it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    try:
        return Session(path, options)
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise VisionError(
            f"{path}: does not load in ONNX Runtime ({_reason(error)}): run vision.export again"
        ) from None


def run_frames(session: Session, frames: np.ndarray) -> np.ndarray:
    """Return the logits, float32 [N,classes], of uint8 frames [N,H,W,3], computed in batches.

    Raises VisionError, naming the file, where the model does not run on them, or answers NaN or infinity.
    """
    parts = [frames[start : start + BATCH] for start in range(0, len(frames), BATCH)]
    try:
        logits = np.concatenate([session.run(["logits"], {"frames": part})[0] for part in parts])
    except Exception as error:  # as above
        size = "x".join(map(str, frames.shape[1:]))
        raise VisionError(
            f"{session.path}: does not run on frames of {size} ({_reason(error)}): export again"
        ) from None
    strange = len(logits) - int(np.isfinite(logits).all(axis=1).sum())
    if strange:
        problem = f"answers NaN or infinity for {strange} of {len(frames)} frames"
        raise VisionError(f"{session.path}: {problem}: train the model again, then export it")
    return logits


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [N,classes] of logits [N,classes]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())
