"""Static INT8 of an ONNX model: quantize-dequantize pairs, weights per channel, calibrated on training images.

Only the network's matrix operations are quantized; the preprocessing stays float, so frames enter it unrounded, and so
do the logits, which are few. Weights take 7 of their 8 bits (reduce_range): x86 processors without VNNI add pairs of
products in 16 bits, which full ones overflow. That cost 0.005 of accuracy and made the answers depend on the processor.
Source: onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from vision.export_onnx import strip

QUANTIZED_OPERATORS = ("Conv", "Gemm", "MatMul")
BATCH = 64


class Frames(CalibrationDataReader):
    """Hands calibration frames, uint8 [N,H,W,3], to the quantizer, a batch at a time."""

    def __init__(self, frames: np.ndarray) -> None:
        self._batches = self._iterate(frames)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next feed, None at the end."""
        return next(self._batches, None)

    @staticmethod
    def _iterate(frames: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, len(frames), BATCH):
            yield {"frames": frames[start : start + BATCH]}


def kept_in_float(model: onnx.ModelProto) -> list[str]:
    """Return the names of the convolutions over one channel: too few products a pixel, so INT8 makes them slower."""
    shapes = {weights.name: list(weights.dims) for weights in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if shapes.get(node.input[1], [0, 0])[1] == 1 and _groups(node) == 1]


def quantize(model: bytes, calibration: np.ndarray) -> bytes:
    """Return the INT8 model of a float model; `calibration` are frames, uint8 [N,H,W,3], of training images."""
    logging.getLogger().setLevel(logging.ERROR)  # it advises a pre-processing that this small graph does not need
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        given.write_bytes(model)
        quantize_static(
            given,
            made,
            Frames(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED_OPERATORS),
            nodes_to_exclude=kept_in_float(onnx.load_from_string(model)),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        return strip(onnx.load(made))


def _groups(convolution: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in convolution.attribute if attribute.name == "group"), 1)
