"""Runs an ONNX file's bytes by OpenVINO on the CPU: an option, where the package openvino is installed.

Source: https://docs.openvino.ai/2026/openvino-workflow/running-inference (hint LATENCY, one stream, tensors that share
memory with NumPy).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError

SETTINGS = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}


def open_run(
    content: bytes, input_name: str, output_name: str, shared: Path | None = None, threads: int = 1
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return what scores frames, one caller's after another's. It has no way to share weights, so `shared` is not used.

    Raises ServingError where OpenVINO is not installed, and whatever it raises on a file that it can't run.
    """
    try:
        import openvino
    except ImportError:
        raise ServingError("engine openvino is not installed: install openvino, or use engine onnxruntime") from None
    core = openvino.Core()
    model = core.compile_model(core.read_model(content), "CPU", {**SETTINGS, "INFERENCE_NUM_THREADS": str(threads)})
    request, given, answered = model.create_infer_request(), model.input(input_name), model.output(output_name)
    turn = (
        threading.Lock()
    )  # a stream's new frame size is measured while a scorer works: neither gets the other's answer

    def run(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        # 40 us a call, where infer({...}) with its own conversions takes 65 (2026.4.1, a model of 3 weights).
        # A tensor shares writable memory only, and does not keep it alive: this name does.
        memory = np.require(frames, requirements=("C", "W"))
        with turn:
            request.set_tensor(given, openvino.Tensor(memory, shared_memory=True))
            request.infer()
            return np.array(request.get_tensor(answered).data)  # a copy: the next call writes over the request's own

    return run
