"""Runs an ONNX file's bytes by OpenVINO on the CPU, on one thread: an option, where the package openvino is installed.

Source: https://docs.openvino.ai (openvino.Core, performance hints, ov::num_streams, ov::inference_num_threads).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError

SETTINGS = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1"}


def open_run(content: bytes, input_name: str, output_name: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Return what scores frames, by one caller at a time.

    Raises ServingError where OpenVINO is not installed, and whatever it raises on a file that it can't run.
    """
    try:
        import openvino
    except ImportError:
        raise ServingError(
            "engine openvino: it is not installed: install openvino, or use engine onnxruntime"
        ) from None
    core = openvino.Core()
    request = core.compile_model(core.read_model(content), "CPU", SETTINGS).create_infer_request()

    def run(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        answer = request.infer({input_name: frames}, share_inputs=True)
        return np.array(answer[output_name])

    return run
