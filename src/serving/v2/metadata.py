"""What the server and a model say of themselves in the protocol. It does not know which models are served.

Source: inference_rest.md of the protocol, Server Metadata and Model Metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.model import Contract
from serving.v2.outputs import OUTPUTS

NAME = "visionline"
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("classification", "binary_tensor_data", "model_repository")


def server_metadata(version: str, more: Sequence[str] = ()) -> dict[str, Any]:
    """Return the body that describes the server; `more` are extensions beside those that it always has."""
    return {"name": NAME, "version": version, "extensions": [*EXTENSIONS, *more]}


def model_metadata(name: str, versions: Sequence[str], labels: Sequence[str], contract: Contract) -> dict[str, Any]:
    """Return the body that describes a model; -1 stands for any size."""
    frames = {"name": contract.input_name, "datatype": "UINT8", "shape": list(contract.input_shape)}
    shapes = {"FP32": [-1, len(labels)], "BYTES": [-1]}
    outputs = [{"name": output, "datatype": kind, "shape": shapes[kind]} for output, kind in OUTPUTS.items()]
    return {"name": name, "versions": list(versions), "platform": PLATFORM, "inputs": [frames], "outputs": outputs}
