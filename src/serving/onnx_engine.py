"""Runs an ONNX file's bytes by ONNX Runtime on the CPU, on one thread.

One thread an inference, because an edge device runs many streams side by side, and two threads on two busy cores are
slower than one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
from numpy.typing import NDArray

FATAL_ONLY = 4  # ONNX Runtime's log level: what goes wrong is raised, and reported once, by us


def open_run(content: bytes, input_name: str, output_name: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return what scores frames. Raises whatever ONNX Runtime raises on a file that it can't run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = FATAL_ONLY
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    run, names = session.run, [output_name]
    return lambda frames: run(names, {input_name: frames})[0]
