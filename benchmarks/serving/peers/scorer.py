"""What each peer's server runs on a body: the same decoder, the same model file on one thread, the same answer.

A body is one raw frame, uint8 RGB [side, side, 3], or a JPEG file; its length tells which. What to run is told by the
environment: BENCHMARK_MODEL (an ONNX file), BENCHMARK_LABELS (JSON), BENCHMARK_SIDE; how to serve it by BENCHMARK_PORT,
BENCHMARK_WORKERS, BENCHMARK_BATCH. It knows no server, and is imported in each peer's own virtual environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import simplejpeg
from numpy.typing import NDArray

TOGETHER_SIDE = 28


@dataclass(frozen=True)
class Scorer:
    """A model in memory, its labels, and the side of its raw frames."""

    session: onnxruntime.InferenceSession
    labels: tuple[str, ...]
    side: int

    def frames(self, body: bytes) -> NDArray[np.uint8]:
        """Return a body's frame, uint8 RGB [1, height, width, 3]. Raises ValueError on what is no JPEG file."""
        if len(body) == self.side * self.side * 3:
            return np.frombuffer(body, np.uint8).reshape(1, self.side, self.side, 3)
        return simplejpeg.decode_jpeg(body, colorspace="RGB")[None]

    def logits(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the model answers, float32 [n, classes]."""
        return self.session.run(["logits"], {"frames": frames})[0]

    def best(self, logits: NDArray[np.float32]) -> tuple[str, float]:
        """Return the label of the largest of one frame's logits, [classes], and its softmax."""
        index = int(logits.argmax())
        return self.labels[index], 1.0 / float(np.exp(logits - logits[index]).sum())

    def answer(self, body: bytes) -> bytes:
        """Return {"label": ..., "score": ...} for a body."""
        return self.said(self.logits(self.frames(body))[0])

    def answers(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Return the answer to each body: small frames are run together, which larger ones lose by."""
        frames = [self.frames(body) for body in bodies]
        if all(one.shape[1] <= TOGETHER_SIDE for one in frames):
            return [self.said(logits) for logits in self.logits(np.concatenate(frames))]
        return [self.said(self.logits(one)[0]) for one in frames]

    def said(self, logits: NDArray[np.float32]) -> bytes:
        """Return {"label": ..., "score": ...} for one frame's logits, [classes]."""
        label, score = self.best(logits)
        return b'{"label":"%b","score":%.6f}' % (label.encode(), score)


def open_session(model: Path | str) -> onnxruntime.InferenceSession:
    """Return a model's session on one thread, as src/serving opens it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def load_scorer() -> Scorer:
    """Return the scorer that the environment names, after one run."""
    labels = tuple(json.loads(Path(os.environ["BENCHMARK_LABELS"]).read_text(encoding="utf-8")))
    side = int(os.environ["BENCHMARK_SIDE"])
    scorer = Scorer(open_session(os.environ["BENCHMARK_MODEL"]), labels, side)
    scorer.answer(bytes(side * side * 3))
    return scorer


def port() -> int:
    """Return the port to listen on."""
    return int(os.environ["BENCHMARK_PORT"])


def batch() -> int:
    """Return how many bodies may be scored together at most."""
    return int(os.environ["BENCHMARK_BATCH"])


def workers() -> int:
    """Return how many processes shall score."""
    return int(os.environ["BENCHMARK_WORKERS"])
