"""Two networks as ONNX graphs with random weights from a seed: what they cost is real, what they answer is not.

Preprocessing is inside the graph, as in a model package: uint8 frames of any size in, logits out. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 20, 10
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# Expansion, channels, repeats, stride: table 2 of MobileNetV2 (arXiv:1801.04381).
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass
class Graph:
    """A graph that grows node by node; each method returns the name of what its last node gives."""

    random: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add one operator."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Any, kind: type = np.float32) -> str:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.asarray(value, kind)
        return name

    def weights(self, *shape: int) -> str:
        """Add random weights, scaled so that signals keep their size (He et al., arXiv:1502.01852)."""
        fan_in = int(np.prod(shape[1:]))
        return self.constant(self.random.standard_normal(shape) * (2 / fan_in) ** 0.5)

    def convolve(self, given: str, channels: tuple[int, int], size: int, stride: int = 1, groups: int = 1) -> str:
        """Add a convolution from channels[0] to channels[1] that pads as far as it reaches."""
        shape = (channels[1], channels[0] // groups, size, size)
        names = (given, self.weights(*shape), self.constant(np.zeros(channels[1])))
        return self.node("Conv", *names, pads=[size // 2] * 4, strides=[stride] * 2, group=groups)

    def resize(self, given: str, side: int) -> str:
        """Add an antialiased bilinear resize of [n, c, height, width] to a square."""
        sizes = self.constant([side, side], np.int64)
        return self.node("Resize", given, "", "", sizes, mode="linear", antialias=1, axes=[2, 3])

    def classify(self, given: str, features: int, classes: int) -> None:
        """Add the last layer, which gives the logits."""
        weights, bias = self.weights(classes, features), self.constant(np.zeros(classes))
        self.nodes.append(helper.make_node("Gemm", [given, weights, bias], ["logits"], name="head", transB=1))

    def model(self, name: str, classes: int) -> bytes:
        """Return the finished model. Raises onnx.checker.ValidationError on a defect here."""
        given = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", "height", "width", 3])
        answered = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])
        constants = [numpy_helper.from_array(value, key) for key, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, [given], [answered], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)


def tiny(classes: int, width: int = 20, seed: int = 1) -> bytes:
    """Return the network that the demo trains, 28x28 gray: about 0.1 ms a frame on one thread."""
    graph = Graph(np.random.default_rng(seed))
    image = graph.resize(_gray(graph), 28)
    image = graph.node("Div", graph.node("Sub", image, graph.constant(73.0)), graph.constant(90.0))
    for channels in ((1, width), (width, 2 * width)):
        image = graph.convolve(image, channels, 3)
        image = graph.node("Relu", graph.node("MaxPool", image, kernel_shape=[2, 2], strides=[2, 2]))
    image = graph.node("Relu", graph.convolve(image, (2 * width, 4 * width), 3, stride=2))
    graph.classify(graph.node("Flatten", image), 4 * width * 4 * 4, classes)
    return graph.model("tiny", classes)


def mobilenet_v2(classes: int, side: int = 224, seed: int = 2) -> bytes:
    """Return MobileNetV2 at width 1.0, batch normalisation folded in: 300 million multiplications a frame."""
    graph = Graph(np.random.default_rng(seed))
    planes = graph.node("Concat", *(_plane(graph, index) for index in range(3)), axis=1)
    centred = graph.node("Sub", graph.resize(planes, side), graph.constant(127.5))
    image = _relu6(graph, graph.convolve(graph.node("Div", centred, graph.constant(127.5)), (3, 32), 3, stride=2))
    given = 32
    for expansion, channels, repeats, stride in BLOCKS:
        for index in range(repeats):
            image = _bottleneck(graph, image, (given, channels), expansion, stride if index == 0 else 1)
            given = channels
    image = graph.node("GlobalAveragePool", _relu6(graph, graph.convolve(image, (given, 1280), 1)))
    graph.classify(graph.node("Flatten", image), 1280, classes)
    return graph.model("mobilenetv2", classes)


def _gray(graph: Graph) -> str:
    red, green, blue = (
        graph.node("Mul", _plane(graph, index), graph.constant(share)) for index, share in enumerate(LUMA)
    )
    return graph.node("Add", graph.node("Add", red, green), blue)


def _plane(graph: Graph, index: int) -> str:
    # Channel by channel, as the demo's model does: over a last axis of three ONNX Runtime crawls, and a Transpose here
    # is one that its optimizer moves into the Resize, which then fails in the quantized graph (1.31).
    axis = graph.constant([-1], np.int64)
    bounds = [graph.constant([edge], np.int64) for edge in (index, index + 1)]
    channel = graph.node("Squeeze", graph.node("Slice", "frames", *bounds, axis), axis)
    return graph.node("Unsqueeze", graph.node("Cast", channel, to=TensorProto.FLOAT), graph.constant([1], np.int64))


def _bottleneck(graph: Graph, given: str, channels: tuple[int, int], expansion: int, stride: int) -> str:
    wide = channels[0] * expansion
    inner = given if expansion == 1 else _relu6(graph, graph.convolve(given, (channels[0], wide), 1))
    inner = _relu6(graph, graph.convolve(inner, (wide, wide), 3, stride, groups=wide))
    inner = graph.convolve(inner, (wide, channels[1]), 1)
    return graph.node("Add", given, inner) if stride == 1 and channels[0] == channels[1] else inner


def _relu6(graph: Graph, given: str) -> str:
    return graph.node("Clip", given, graph.constant(0.0), graph.constant(6.0))
