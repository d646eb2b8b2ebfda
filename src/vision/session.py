"""Runs an ONNX variant as an edge device would: ONNX Runtime on the CPU, one thread.

It knows no package and no metric. One thread, because a device scores one stream a core (docs/decisions).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from vision.errors import VisionError

BATCH = 250


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Return a session on one thread. Raises VisionError, naming the file, where ONNX Runtime refuses it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        reason = " ".join(str(error).split())
        raise VisionError(f"{path}: does not load in ONNX Runtime ({reason}): run vision.export again") from None


def run_frames(session: onnxruntime.InferenceSession, frames: np.ndarray) -> np.ndarray:
    """Return the logits, float32 [N,classes], of uint8 frames [N,H,W,3], computed in batches."""
    parts = [frames[start : start + BATCH] for start in range(0, len(frames), BATCH)]
    return np.concatenate([session.run(["logits"], {"frames": part})[0] for part in parts])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [N,classes] of logits [N,classes]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
