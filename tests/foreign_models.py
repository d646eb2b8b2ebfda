"""Small models as strangers hand them in, and a folder of images to evaluate them on: made on the fly, in milliseconds.

The model answers which colour is strongest in a picture. It is made with the defects that a test asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

LABELS = ("blue", "green", "red")
SIDE = 8
MEAN, STD = 127.0, 128.0


@dataclass(frozen=True)
class Foreign:
    """How a model is made. `batch` of None is any; `ending` is what its last operator makes: Softmax, Sigmoid, none."""

    opset: int = 18
    batch: int | None = None
    layout: str = "NCHW"
    channels: str = "BGR"
    weights_are_inputs: bool = False
    ending: str = "Softmax"
    half: bool = False
    reshape: str = "Flatten"
    labels: tuple[str, ...] = LABELS
    quantizable: bool = True
    sharpness: float = 4.0


def make_foreign(path: Path, made: Foreign = Foreign(), **changes: Any) -> Path:
    """Write a model and return its path. `changes` are fields of ModelProto that are set last, as ir_version."""
    float_type = TensorProto.FLOAT16 if made.half else TensorProto.FLOAT
    nodes, constants = _network(made)
    shape: list[int | str] = [made.batch or "N", *((3, SIDE, SIDE) if made.layout == "NCHW" else (SIDE, SIDE, 3))]
    inputs = [helper.make_tensor_value_info("image", float_type, shape)]
    kind = np.float16 if made.half else np.float32
    weights = [numpy_helper.from_array(v if v.dtype == np.int64 else v.astype(kind), n) for n, v in constants.items()]
    if made.weights_are_inputs:
        inputs += [helper.make_tensor_value_info(one.name, one.data_type, list(one.dims)) for one in weights]
    outputs = [helper.make_tensor_value_info("scores", float_type, [made.batch or "N", len(made.labels)])]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, weights)
    ir_version = 4 if made.weights_are_inputs else 8
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", made.opset)], ir_version=ir_version)
    for name, value in changes.items():
        setattr(model, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def _network(made: Foreign) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Return mean colour -> a logit a label, with a convolution in front where it is to be quantizable."""
    order = (0, 1, 2) if made.channels == "BGR" else (2, 1, 0)
    head = np.zeros((3, len(made.labels)), np.float32)
    for index, label in enumerate(made.labels):
        head[:, index] = made.sharpness * np.eye(3)[order[LABELS.index(label)]] if label in LABELS else -made.sharpness
    constants: dict[str, np.ndarray] = {"head": head}
    nodes, current = [], "image"
    if made.layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [current], ["planes"], perm=[0, 3, 1, 2]))
        current = "planes"
    if made.quantizable:
        constants["filter"] = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
        nodes.append(helper.make_node("Conv", [current, "filter"], ["filtered"], kernel_shape=[1, 1], name="conv"))
        current = "filtered"
    nodes.append(helper.make_node("GlobalAveragePool", [current], ["pooled"]))
    if made.reshape == "Flatten":
        nodes.append(helper.make_node("Flatten", ["pooled"], ["means"]))
    else:
        constants["shape"] = np.array([made.batch or -1, 3], np.int64)
        nodes.append(helper.make_node("Reshape", ["pooled", "shape"], ["means"]))
    if made.quantizable:
        nodes.append(helper.make_node("MatMul", ["means", "head"], ["logits"], name="matmul"))
    else:
        constants |= {f"column{index}": head[:, index].reshape(1, 3) for index in range(len(made.labels))}
        del constants["head"]
        nodes += _columns(len(made.labels))
    last = {"Softmax": {"axis": 1}, "Sigmoid": {}, "Identity": {}}[made.ending]
    nodes.append(helper.make_node(made.ending, ["logits"], ["scores"], **last))  # type: ignore[arg-type]
    return nodes, constants


def _columns(count: int) -> list[onnx.NodeProto]:
    """Return the same head without a matrix product: nothing in it can be quantized."""
    nodes = []
    for index in range(count):
        nodes.append(helper.make_node("Mul", ["means", f"column{index}"], [f"product{index}"]))
        # ReduceL1 of what is positive, less that of what is negative, would do; ReduceMax suits a single weight.
        nodes.append(helper.make_node("ReduceMax", [f"product{index}"], [f"logit{index}"], axes=[1], keepdims=1))
    return [*nodes, helper.make_node("Concat", [f"logit{index}" for index in range(count)], ["logits"], axis=1)]


def contract_of(made: Foreign = Foreign(), **changes: Any) -> dict[str, Any]:
    """Return the contract of a model, with what a test changes; None takes a key out."""
    kind = "probabilities" if made.ending == "Softmax" else "logits"
    given = {"layout": made.layout, "channels": made.channels, "size": [SIDE, SIDE], "mean": MEAN, "std": STD}
    content: dict[str, Any] = {"labels": list(made.labels), "input": given, "output": {"kind": kind}, **changes}
    return {key: value for key, value in content.items() if value is not None}


def write_contract(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a contract file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return path


def make_images(folder: Path, count: int = 24, labels: tuple[str, ...] = LABELS, side: int = 12) -> Path:
    """Write `count` PNG images of each label, noisy and leaning to its colour, and return the folder."""
    random = np.random.default_rng(5)
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 120, (side, side, 3), dtype=np.uint8)
            pixels[..., 2 - LABELS.index(label)] += 70
            Image.fromarray(pixels).save(folder / label / f"{index:03}.png")
    return folder
