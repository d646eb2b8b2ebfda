"""What goes into a model and what comes out, read off its graph and held against the contract. It runs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from vision.errors import VisionError
from vision.intake.contract import CHANNELS, Contract, Input
from vision.intake.refusal import Refused

TYPES = ("FLOAT", "FLOAT16", "DOUBLE", "UINT8")


@dataclass(frozen=True)
class Signature:
    """A model's one input and its outputs. `batch` is the only number of frames it takes at once, None: any number."""

    input: str
    dtype: str
    batch: int | None
    outputs: tuple[str, ...]


def read_signature(model: onnx.ModelProto, contract: Contract) -> Signature:
    """Return the signature. Raises Refused where it is not that of a model of images, as the contract says."""
    assert contract.input is not None and contract.output is not None
    given = _only_input(model.graph)
    tensor = given.type.tensor_type
    dtype = TensorProto.DataType.Name(tensor.elem_type)
    if dtype not in TYPES:
        raise Refused(f"input {given.name} is of {dtype}, not of {', '.join(TYPES)}: export the model for float images")
    sizes = [dim.dim_value for dim in tensor.shape.dim]
    if len(sizes) != 4:
        raise Refused(
            f"input {given.name} has {len(sizes)} dimensions, not four: no model of images: leave it where it is"
        )
    _check_shape(given.name, sizes, contract.input)
    return Signature(given.name, dtype, sizes[0] or None, _outputs(model.graph, contract))


def weights_among_inputs(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the weights that a graph lists as inputs, as files of IR version 3 must."""
    weights = {one.name for one in graph.initializer} | {one.values.name for one in graph.sparse_initializer}
    return [one.name for one in graph.input if one.name in weights]


def _only_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    weights = set(weights_among_inputs(graph))
    inputs = [one for one in graph.input if one.name not in weights]
    names = ", ".join(one.name for one in inputs)
    if len(inputs) != 1:
        way = "export it with all inputs but the image as constants"
        raise Refused(f"the model has {len(inputs)} inputs ({names}), not one: {way}")
    if not inputs[0].type.HasField("tensor_type"):
        raise Refused(f"input {names} is no tensor: export the model with an image as its input")
    return inputs[0]


def _check_shape(name: str, sizes: list[int], given: Input) -> None:
    """Hold the sizes that are fixed against those that the contract says. 0 stands for any size."""
    channels, (height, width) = CHANNELS[given.channels], given.size
    wanted = (channels, height, width) if given.layout == "NCHW" else (height, width, channels)
    if any(size not in (0, want) for size, want in zip(sizes[1:], wanted, strict=True)):
        fixed = [size or "any" for size in sizes[1:]]
        problem = f"input {name} takes {fixed} after the batch, the contract says {list(wanted)} ({given.layout})"
        raise Refused(f"{problem}: correct input.layout, channels or size")


def _outputs(graph: onnx.GraphProto, contract: Contract) -> tuple[str, ...]:
    assert contract.output is not None
    names, wanted = tuple(one.name for one in graph.output), contract.output.name
    if wanted is None:
        return names
    if wanted not in names:
        raise VisionError(f"{contract.path}: output: name: no output is called {wanted}: use one of {', '.join(names)}")
    return (wanted,)
