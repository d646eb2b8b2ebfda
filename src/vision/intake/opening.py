"""Reads an ONNX file that a stranger made: nothing in it is run, unpickled or unpacked, and no other file is touched.

Source: github.com/onnx/onnx/blob/main/docs/ExternalData.md, docs/IR.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto, helper

from vision.errors import VisionError
from vision.intake.refusal import Refused

LARGEST_MODEL = 1 << 30  # bytes, with the files that hold its weights; protobuf itself ends at 2 GiB
KNOWN_OPSET = 18  # each runtime since 2022 takes it
STANDARD_DOMAINS = ("", "ai.onnx")
FATAL_ONLY = 4
# How files begin that hold a model in another format, what that is, and how it becomes ONNX.
TORCH = "a PyTorch checkpoint or TorchScript: such files hold code that runs when they are read, so it is never opened"
FORMATS = (
    (0, b"PK\x03\x04", f"a zip archive, mostly {TORCH}: export it by torch.onnx.export where it was trained"),
    (0, b"\x80", f"a pickle, mostly {TORCH}: export it by torch.onnx.export where it was trained"),
    (0, b"\x89HDF", "a Keras file: convert it by tf2onnx where it was trained"),
    (4, b"TFL3", "a TensorFlow Lite file: convert it by tf2onnx where it was trained"),
    (0, b"\x1f\x8b", "compressed: unpack it first, and hand in the ONNX file"),
    (8, b"{", "a safetensors file, which holds weights without the network: export the network by torch.onnx.export"),
)


def open_model(path: Path) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model of a file, and the names of the files beside it whose weights it now holds itself.

    Raises Refused where it is none that can be taken, VisionError where the file can't be read.
    """
    model = _parse(path, _read(path))
    _check_is_whole(path, model)
    _check_runtime(path, model)
    _check_operators(path, model)
    files = _take_in_external(path, model)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker's errors share no base class
        raise Refused(f"{path}: is not valid ONNX ({one_line(error)}): export it again") from None
    return model, files


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those inside its nodes (of If, Loop, Scan), however deep."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from graphs(inner)


def one_line(error: Exception) -> str:
    """Return an error's message on one line, no longer than a person reads."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) < 300 else f"{words[:300]} ..."


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_MODEL:
            raise Refused(f"{path}: has {size >> 20} MiB, {LARGEST_MODEL >> 20} are allowed: prune or split the model")
        return path.read_bytes()
    except OSError as error:
        raise VisionError(
            f"{path}: cannot be read ({error.strerror}): name an ONNX file, or a checkpoint's folder"
        ) from None


def _parse(path: Path, content: bytes) -> onnx.ModelProto:
    for offset, start, what in FORMATS:
        if content[offset:].startswith(start):
            raise Refused(f"{path}: is {what}")
    try:
        return onnx.ModelProto.FromString(content)
    except Exception:  # protobuf's DecodeError, whose package is none of ours to import
        raise Refused(f"{path}: is no ONNX file, or only a part of one: copy it again, or export it to ONNX") from None


def _check_is_whole(path: Path, model: onnx.ModelProto) -> None:
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise Refused(f"{path}: holds no network, or only a part of one: copy it again, or export it to ONNX")


def _check_runtime(path: Path, model: onnx.ModelProto) -> None:
    """Refuse what the pinned ONNX Runtime can't run: the edge installs the same, and no repair could be checked."""
    opset = max((one.version for one in model.opset_import if one.domain in STANDARD_DOMAINS), default=0)
    if opset < 1:
        raise Refused(f"{path}: says no opset of standard ONNX: export it to ONNX again")
    if opset > KNOWN_OPSET and not _runs(opset, 8):
        newest = next(version for version in range(opset - 1, KNOWN_OPSET - 1, -1) if _runs(version, 8))
        way = f"export it with opset_version={newest}"
        raise Refused(
            f"{path}: opset {opset} is newer than ONNX Runtime {onnxruntime.__version__} takes ({newest}): {way}"
        )
    if not _runs(KNOWN_OPSET, model.ir_version):
        reason = f"IR version {model.ir_version} is not one that ONNX Runtime {onnxruntime.__version__} takes"
        raise Refused(f"{path}: {reason}: export it with the onnx package that environments/train names")


def _runs(opset: int, ir_version: int) -> bool:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", value[:1], value[1:])
    probe = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    try:
        onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # ONNX Runtime's errors share no base class
        return False
    return True


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    """Refuse operators that no standard runtime knows; functions that the model itself defines are no such ones."""
    own = {(function.domain, function.name) for function in model.functions}
    nodes = [*(node for graph in graphs(model.graph) for node in graph.node)]
    nodes += [node for function in model.functions for node in function.node]
    foreign = {(node.domain, node.op_type) for node in nodes if node.domain not in STANDARD_DOMAINS} - own
    if foreign:
        named = ", ".join(f"{domain}.{name}" for domain, name in sorted(foreign))
        raise Refused(f"{path}: has operators that are not of standard ONNX ({named}): export it without them")


def _take_in_external(path: Path, model: onnx.ModelProto) -> list[str]:
    """Read the weights that stand in other files. Raises Refused where a file is not beside the model, or too large."""
    names = sorted({_entry(tensor, "location") for tensor in _external(model.graph)})
    sizes = {name: _size_beside(path, name) for name in names}
    size = sum(_claimed(tensor, sizes) for tensor in _external(model.graph))
    if size > LARGEST_MODEL:
        raise Refused(f"{path}: its weights have {size >> 20} MiB, {LARGEST_MODEL >> 20} are allowed: prune the model")
    try:
        for tensor in _external(model.graph):
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    except Exception as error:  # onnx raises its checker's errors, ValueError and OSError here
        raise Refused(
            f"{path}: weights beside it can't be read ({one_line(error)}): copy all its files again"
        ) from None
    return names


def _claimed(tensor: TensorProto, sizes: dict[str, int]) -> int:
    """Return how many bytes a tensor wants of its file: a file may be named a thousand times over."""
    length = _entry(tensor, "length")
    return int(length) if length.isdecimal() else sizes[_entry(tensor, "location")]


def _entry(tensor: TensorProto, key: str) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == key), "")


def _size_beside(path: Path, name: str) -> int:
    file = path.parent / name
    inside = file.resolve().is_relative_to(path.parent.resolve()) and not file.is_symlink()
    if Path(name).is_absolute() or not inside:
        raise Refused(f"{path}: its weights stand outside its folder ({name}): export it into one file")
    if not file.is_file():
        raise Refused(
            f"{path}: its weights' file {name} is missing: put it beside the model, or export it into one file"
        )
    return file.stat().st_size


def _external(graph: onnx.GraphProto) -> list[TensorProto]:
    return [one for one in _tensors(graph) if one.data_location == TensorProto.EXTERNAL]


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    for one in graphs(graph):
        yield from one.initializer
        for node in one.node:
            yield from _of_attributes(node.attribute)


def _of_attributes(attributes: Iterable[onnx.AttributeProto]) -> Iterator[TensorProto]:
    for attribute in attributes:
        yield from attribute.tensors
        if attribute.HasField("t"):
            yield attribute.t
