"""Runs an ONNX file's bytes by ONNX Runtime on the CPU.

One thread an inference is the rule, because an edge device runs many streams side by side, and two threads on two busy
cores are slower than one; the exception is serving.lone. Processes that serve the same model can share its weights
(serving.weights).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from serving.weights import mapped

FATAL_ONLY = 4  # ONNX Runtime's log level: what goes wrong is raised, and reported once, by us


def open_run(
    content: bytes, input_name: str, output_name: str, shared: Path | None = None, threads: int = 1
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return what scores frames, from any thread. Raises whatever ONNX Runtime raises on a file that it can't run.

    Processes that give the same folder `shared` have the weights in memory once.
    """
    file = None if shared is None else mapped(content, shared, options_for(1))
    session = onnxruntime.InferenceSession(file or content, options_for(threads), providers=["CPUExecutionProvider"])
    # Made once: without them a call takes 2 us more, of 12 (1.31.1, a model of 3 weights). Neither I/O binding nor the
    # session's private half, which skips checks for another 2 us, is worth what it asks.
    call, names, run_options = session.run, [output_name], onnxruntime.RunOptions()
    run_options.log_severity_level = FATAL_ONLY
    return lambda frames: call(names, {input_name: frames}, run_options)[0]


def options_for(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of a session whose operators run on so many threads, which rest between two runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = FATAL_ONLY
    return options
