"""What can be read off a variant's file and clock: its precision, its memory, its latency. It knows no label."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from vision.session import Session, run_frames

ROUNDS = 200
WARM_UP_ROUNDS = 20
PRECISIONS = {onnx.TensorProto.INT8: "int8", onnx.TensorProto.FLOAT16: "fp16"}


def precision(path: Path) -> str:
    """Return int8, fp16 or fp32: what the weights are stored as, read off the graph and not off the file's name."""
    graph = onnx.load(str(path)).graph
    weights = [PRECISIONS.get(one.data_type, "fp32") for one in graph.initializer if len(one.dims) > 1]
    return next((kind for kind in ("int8", "fp16") if kind in weights), "fp32")


def latencies(sessions: Mapping[str, Session], frame: np.ndarray) -> dict[str, np.ndarray]:
    """Return milliseconds [ROUNDS] of one frame [1,H,W,3] by session: in turn, so that all see the same machine.

    Raises VisionError where one does not run on it.
    """
    for session in [*sessions.values()] * WARM_UP_ROUNDS:
        run_frames(session, frame)
    measured: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            started = time.perf_counter()
            session.run(None, {"frames": frame})
            measured[name].append((time.perf_counter() - started) * 1000)
    return {name: np.array(values) for name, values in measured.items()}
