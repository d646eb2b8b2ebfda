"""The whole model, preprocessing included, as one ONNX graph: uint8 frames in, logits out.

Source: docs.pytorch.org/docs/stable/onnx.html (torch.export based exporter).
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch

from vision.classifier import Classifier

LARGEST_SIDE = 8192
EXAMPLE_SIDES = (40, 50)


def to_onnx(model: Classifier, frame_size: int | None) -> bytes:
    """Return the ONNX bytes of a classifier; frames of any size, or of height and width `frame_size` only.

    The same weights give the same bytes.
    """
    height, width = (frame_size, frame_size) if frame_size else EXAMPLE_SIDES
    example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            model.eval(),
            (example,),
            dynamo=True,
            input_names=["frames"],
            output_names=["logits"],
            dynamic_shapes={"frames": _dynamic(frame_size)},
        )
    assert program is not None  # it is None only where a path was given
    return strip(program.model_proto)


def strip(model: onnx.ModelProto) -> bytes:
    """Return a model's bytes without what differs between runs and machines: traces, notes, versions of tools."""
    model.doc_string, model.producer_version = "", ""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _dynamic(frame_size: int | None) -> dict[int, torch.export.Dim]:
    batch = torch.export.Dim("batch")
    if frame_size:
        return {0: batch}
    height, width = (torch.export.Dim(name, min=1, max=LARGEST_SIDE) for name in ("height", "width"))
    return {0: batch, 1: height, 2: width}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter, which no user can act on, out of the step's log."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
