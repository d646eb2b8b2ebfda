"""Repairs of a foreign model: each takes a model and returns a mended copy and what was done, None where all is well.

None knows whether it worked: vision.intake.mending runs the copy and holds it against the original.
Source: github.com/onnx/onnx/blob/main/docs/VersionConverter.md, docs/IR.md
"""

from __future__ import annotations

from collections.abc import Callable

import onnx
import onnx.inliner
import onnx.version_converter
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from vision.intake.opening import STANDARD_DOMAINS, graphs, one_line
from vision.intake.refusal import Refused
from vision.intake.signature import Signature, weights_among_inputs

OPSET = 18  # the first whose Resize takes antialias, which the preprocessing needs
FIRST_WITH_COORDINATES = 11  # before it, Upsample and Resize knew one way to count pixels: from their corners
TYPE_ATTRIBUTES = ("to", "dtype")

Repaired = tuple[onnx.ModelProto, str] | None
Repair = Callable[[onnx.ModelProto, Signature], Repaired]


def inline_functions(model: onnx.ModelProto, signature: Signature) -> Repaired:
    """Put the bodies of the model's own functions where they are called: the quantizer looks into no function."""
    if not model.functions:
        return None
    count = len(model.functions)
    return onnx.inliner.inline_local_functions(model), f"{count} functions of its own put where they are called"


def drop_weight_inputs(model: onnx.ModelProto, signature: Signature) -> Repaired:
    """Take the weights out of the inputs: no caller gives them, and a runtime may not fold what an input may change."""
    names = set(weights_among_inputs(model.graph))
    if not names:
        return None
    copy = _copy(model)
    kept = [one for one in model.graph.input if one.name not in names]
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    copy.ir_version = max(copy.ir_version, 4)  # before it, weights had to be inputs
    return copy, f"{len(names)} weights taken out of the inputs"


def raise_opset(model: onnx.ModelProto, signature: Signature) -> Repaired:
    """Convert a model of an opset below OPSET to it. Raises Refused where the converter knows no way."""
    old = max(one.version for one in model.opset_import if one.domain in STANDARD_DOMAINS)
    if old >= OPSET:
        return None
    try:
        copy = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # it raises RuntimeError and its own, by operator
        reason = f"opset {old} can't be converted to {OPSET} ({one_line(error)})"
        raise Refused(f"{reason}: export it with opset_version={OPSET}") from None
    copy.ir_version = max(copy.ir_version, 8)
    if old < FIRST_WITH_COORDINATES:
        _keep_coordinates(copy.graph)
    return copy, f"opset {old} converted to {OPSET}"


def widen_half(model: onnx.ModelProto, signature: Signature) -> Repaired:
    """Turn float16 into float32 everywhere: the fp32 variant is fp32 inside, and CPUs compute in it anyway."""
    copy = _copy(model)
    if not sum(_widened(graph) for graph in graphs(copy.graph)):
        return None
    return copy, "float16 turned into float32"


def free_batch(model: onnx.ModelProto, signature: Signature) -> Repaired:
    """Let a model that takes only so many frames at once take any number."""
    if signature.batch is None:
        return None
    copy = _copy(model)
    del copy.graph.value_info[:]
    for value in (*copy.graph.input, *copy.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    _free_reshapes(copy.graph, signature.batch)
    return copy, f"batch of {signature.batch} made free"


STRUCTURAL: tuple[Repair, ...] = (inline_functions, drop_weight_inputs, raise_opset, widen_half, free_batch)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _keep_coordinates(graph: onnx.GraphProto) -> None:
    """Say of each Resize what went without saying before; the converter leaves it to a default that is another."""
    for node in [node for node in graph.node if node.op_type == "Resize"]:
        said = {attribute.name for attribute in node.attribute}
        meant = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        node.attribute.extend(helper.make_attribute(key, value) for key, value in meant.items() if key not in said)


def _free_reshapes(graph: onnx.GraphProto, batch: int) -> None:
    """Where a Reshape of something computed names the batch first, let it take what is left, or keep what is there."""
    constants = {one.name: one for one in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    for node in [node for node in graph.node if node.op_type == "Reshape" and node.input[0] not in constants]:
        shape = constants.get(node.input[1])
        values = numpy_helper.to_array(shape).tolist() if shape is not None and shape.dims else []
        if len(values) > 1 and values[0] == batch and 0 not in values:
            values[0] = 0 if -1 in values else -1
            name = f"{node.input[1]}/any_batch/{node.output[0]}"
            graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
            node.input[1] = name
            del node.attribute[:]  # allowzero, its only one: without, 0 keeps what is there


def _widened(graph: onnx.GraphProto) -> int:
    """Turn the float16 of one graph into float32, in place, and return in how many places there was any."""
    tensors = [*graph.initializer]
    changed = 0
    for attribute in [attribute for node in graph.node for attribute in node.attribute]:
        tensors += [*attribute.tensors, *([attribute.t] if attribute.HasField("t") else [])]
        if attribute.name in TYPE_ATTRIBUTES and attribute.type == AttributeProto.INT:
            changed += attribute.i == TensorProto.FLOAT16
            attribute.i = TensorProto.FLOAT if attribute.i == TensorProto.FLOAT16 else attribute.i
    for tensor in [one for one in tensors if one.data_type == TensorProto.FLOAT16]:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), tensor.name))
        changed += 1
    for value in (*graph.input, *graph.output):
        half = value.type.tensor_type.elem_type == TensorProto.FLOAT16
        changed += half
        if half:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    return changed
