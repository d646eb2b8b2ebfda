"""Puts preprocessing in front of a mended model, and logits in the data's order of labels behind it: one ONNX graph.

Source: onnx.ai/onnx/operators (Resize 18, Clip 13, ReduceLogSumExp 18).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from vision.export_onnx import strip
from vision.intake.contract import CHANNELS, Input
from vision.intake.original import LEAST_PROBABILITY, LUMA
from vision.intake.signature import Signature

PREFIX = "model/"

Ending = Literal["logits", "probabilities", "logarithms"]  # what comes out of the model itself


@dataclass
class _Nodes:
    """Nodes in a row: each takes what the one before gave."""

    current: str
    stem: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *constants: np.ndarray, **attributes: Any) -> str:
        """Append a node over the current value and constants."""
        name = f"{self.stem}{len(self.nodes)}"
        names = [f"{name}/{index}" for index in range(len(constants))]
        self.constants += [numpy_helper.from_array(one, of) for one, of in zip(constants, names, strict=True)]
        self.nodes.append(helper.make_node(operator, [self.current, *names], [name], name=name, **attributes))
        self.current = name
        return name


def with_log_softmax(model: onnx.ModelProto, output: str) -> onnx.ModelProto | None:
    """Return a copy that ends in LogSoftmax where the model ends in Softmax, None where it does not.

    It is the logarithm of the same probabilities, without what float32 loses of small ones.
    """
    last = next((node for node in model.graph.node if output in node.output), None)
    if last is None or last.op_type != "Softmax":
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    next(node for node in copy.graph.node if output in node.output).op_type = "LogSoftmax"
    return copy


def whole(
    model: onnx.ModelProto,
    signature: Signature,
    given: Input,
    groups: tuple[tuple[int, ...], ...],
    ending: Ending,
) -> bytes:
    """Return the bytes of the whole model: uint8 frames [batch,height,width,3] -> logits, float32 [batch,labels]."""
    inner = compose.add_prefix(_pruned(model, signature), PREFIX)
    before = _before(given, signature.dtype)
    before.nodes[-1].output[0] = inner.graph.input[0].name
    after = _after(inner.graph.output[0], groups, ending)
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", "height", "width", 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(groups)])
    constants = [*before.constants, *inner.graph.initializer, *after.constants]
    nodes = [*before.nodes, *inner.graph.node, *after.nodes]
    graph = helper.make_graph(nodes, "classifier", [frames], [logits], constants)
    graph.sparse_initializer.extend(inner.graph.sparse_initializer)
    opset = [one for one in inner.opset_import if one.domain in ("", "ai.onnx")]
    return strip(helper.make_model(graph, opset_imports=opset, ir_version=inner.ir_version))


def _before(given: Input, dtype: str) -> _Nodes:
    chain = _Nodes("frames", "preprocess")
    chain.add("Cast", to=TensorProto.FLOAT)
    chain.add("Transpose", perm=[0, 3, 1, 2])
    if given.channels == "BGR":
        chain.add("Gather", np.array([2, 1, 0]), axis=1)
    elif given.channels == "GRAY":
        chain.add("Mul", np.array(LUMA, np.float32).reshape(1, 3, 1, 1))
        chain.add("ReduceSum", np.array([1]), keepdims=1)
    _resize(chain, given.size)
    shape = (1, CHANNELS[given.channels], 1, 1)
    chain.add("Sub", np.array(given.mean, np.float32).reshape(shape))
    chain.add("Div", np.array(given.std, np.float32).reshape(shape))
    if given.layout == "NHWC":
        chain.add("Transpose", perm=[0, 2, 3, 1])
    if dtype == "UINT8":
        chain.add("Round")
        chain.add("Clip", np.array(0, np.float32), np.array(255, np.float32))
    chain.add("Cast", to=TensorProto.DataType.Value(dtype))
    return chain


def _resize(chain: _Nodes, size: tuple[int, int]) -> None:
    """Resize planes, bilinear and antialiased. With exclude_outside, as ONNX Runtime gets the borders wrong without."""
    chain.constants.append(numpy_helper.from_array(np.array(size, np.int64), "size"))
    chain.nodes += [
        helper.make_node("Shape", [chain.current], ["planes"], name="planes", start=0, end=2),
        helper.make_node("Concat", ["planes", "size"], ["sizes"], name="sizes", axis=0),
    ]
    given, chain.current = [chain.current, "", "", "sizes"], "resized"
    how: dict[str, Any] = {"mode": "linear", "antialias": 1, "exclude_outside": 1}
    chain.nodes.append(helper.make_node("Resize", given, ["resized"], name="resized", **how))


def _after(output: onnx.ValueInfoProto, groups: Sequence[Sequence[int]], ending: Ending) -> _Nodes:
    chain = _Nodes(output.name, "answer")
    chain.add("Cast", to=TensorProto.FLOAT)
    chain.add("Flatten", axis=1)
    if ending == "probabilities":
        chain.add("Clip", np.array(LEAST_PROBABILITY, np.float32))
        chain.add("Log")
    elif ending == "logarithms":
        chain.add("Clip", np.array(np.log(LEAST_PROBABILITY), np.float32))
    if any(len(group) > 1 for group in groups):
        _sum_groups(chain, groups)
    elif [group[0] for group in groups] != list(range(len(groups))):
        chain.add("Gather", np.array([group[0] for group in groups]), axis=1)
    chain.nodes[-1].output[0] = "logits"
    return chain


def _sum_groups(chain: _Nodes, groups: Sequence[Sequence[int]]) -> None:
    """Of outputs that mean one label, take the logarithm of the sum of their powers: the label's own logit."""
    source, sums = chain.current, []
    for group in groups:
        chain.current = source
        chain.add("Gather", np.array(group), axis=1)
        sums.append(chain.add("ReduceLogSumExp", np.array([1]), keepdims=1))
    chain.nodes.append(helper.make_node("Concat", sums, ["joined"], name="joined", axis=1))
    chain.current = "joined"


def _pruned(model: onnx.ModelProto, signature: Signature) -> onnx.ModelProto:
    """Return a copy that holds only what the one output needs: a detector's other heads would cost time for nothing."""
    needed, kept = {signature.outputs[0]}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= {*node.input, *_captured(node)}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:], copy.graph.initializer[:], copy.graph.output[:], copy.graph.value_info[:]
    copy.graph.node.extend(reversed(kept))
    copy.graph.initializer.extend(one for one in model.graph.initializer if one.name in needed)
    copy.graph.output.extend(one for one in model.graph.output if one.name == signature.outputs[0])
    return copy


def _captured(node: onnx.NodeProto) -> set[str]:
    """Return the names that the graphs inside a node use, those of the graph around it among them."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    nodes = [one for graph in inner for one in graph.node]
    own = {output.name for graph in inner for output in graph.output}
    return own.union(*(({*one.input} | _captured(one)) for one in nodes)) if nodes else own
