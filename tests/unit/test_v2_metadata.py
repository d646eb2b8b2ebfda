"""What the server and a model say of themselves."""

from __future__ import annotations

import json

from serving.model import Contract
from serving.v2.metadata import model_metadata, server_metadata


def test_the_server_names_the_extensions_that_it_has() -> None:
    said = server_metadata("1.2.3")
    assert said == {
        "name": "visionline",
        "version": "1.2.3",
        "extensions": ["classification", "binary_tensor_data", "model_repository"],
    }
    assert server_metadata("1.2.3", ("statistics",))["extensions"][-1] == "statistics"


def test_a_model_names_its_tensors_with_their_types_and_shapes() -> None:
    said = model_metadata("m", ("2", "3"), ("a", "b"), Contract("frames", (-1, 28, 28, 3), "logits"))
    assert json.loads(json.dumps(said)) == {
        "name": "m",
        "versions": ["2", "3"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "frames", "datatype": "UINT8", "shape": [-1, 28, 28, 3]}],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
    }
