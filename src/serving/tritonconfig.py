"""A Triton model's config.pbtxt, from a package's contract and the batch curve that was measured. It writes no file.

Sources: github.com/triton-inference-server/common, protobuf/model_config.proto; server, docs/user_guide/
model_configuration.md (dynamic batching, instance groups, version policy, warm-up); onnxruntime_backend and
openvino_backend, README.md (parameters).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from serving.curve import BatchCurve
from serving.errors import ServingError
from serving.model import Contract

LABELS_FILE = "labels.txt"
# Engine -> what Triton calls it, the model's file in a version's folder, and its parameters: one thread an inference,
# as in the edge runtime (serving.onnx_engine), and as many inferences at once as there are instances.
BACKENDS = {
    "onnxruntime": ("onnxruntime", "model.onnx", {"intra_op_thread_count": "1", "inter_op_thread_count": "1"}),
    "openvino": ("openvino", "model.onnx", {"INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1"}),
    "tensorrt": ("tensorrt", "model.plan", {}),
}


@dataclass(frozen=True)
class TritonModel:
    """What is served: a version of a model by an engine, on `instances` of kind KIND_CPU or KIND_GPU.

    `frame` is the [height, width, 3] of the warm-up.
    """

    name: str
    version: int
    engine: str
    contract: Contract
    classes: int
    curve: BatchCurve
    frame: tuple[int, ...]
    instances: int = 1
    kind: str = "KIND_CPU"


def model_file(engine: str) -> str:
    """Return the name of the model's file. Raises ServingError on an engine that Triton is not used with."""
    if engine not in BACKENDS:
        raise ServingError(f"engine {engine}: unknown to Triton: use one of {', '.join(BACKENDS)}")
    return BACKENDS[engine][1]


def config_text(model: TritonModel) -> str:
    """Return the text of config.pbtxt. Raises ServingError on an engine that Triton is not used with."""
    file = model_file(model.engine)
    backend, _, parameters = BACKENDS[model.engine]
    given, answered = model.contract.input_name, model.contract.output_name
    parts = [
        f"name: {_text(model.name)}\nbackend: {_text(backend)}\ndefault_model_filename: {_text(file)}",
        f"max_batch_size: {model.curve.cap}",
        f"input [{{ name: {_text(given)} data_type: TYPE_UINT8 dims: {_list(model.contract.input_shape[1:])} }}]",
        f"output [{{ name: {_text(answered)} data_type: TYPE_FP32 dims: [{model.classes}]"
        f" label_filename: {_text(LABELS_FILE)} }}]",
        *_batching(model.curve),
        f"instance_group [{{ count: {model.instances} kind: {model.kind} }}]",
        f"version_policy {{ specific {{ versions: [{model.version}] }} }}",
        *(_warm_up(model, size) for size in sorted({1, model.curve.cap})),
        *(
            f"parameters {{ key: {_text(key)} value: {{ string_value: {_text(value)} }} }}"
            for key, value in parameters.items()
        ),
    ]
    return "\n".join(parts) + "\n"


def _batching(curve: BatchCurve) -> list[str]:
    # A frame waits for others no longer than it would take alone: that is what a batch of two costs at the worst.
    if curve.cap == 1:
        return []
    wait = max(1, round(curve.single() * 1e6))
    return [f"dynamic_batching {{ preferred_batch_size: [{curve.cap}] max_queue_delay_microseconds: {wait} }}"]


def _warm_up(model: TritonModel, size: int) -> str:
    frames = f"data_type: TYPE_UINT8 dims: {_list(model.frame)} zero_data: true"
    inputs = f"inputs {{ key: {_text(model.contract.input_name)} value: {{ {frames} }} }}"
    return f"model_warmup [{{ name: {_text(f'batch of {size}')} batch_size: {size} {inputs} }}]"


def _list(values: Sequence[int]) -> str:
    return f"[{', '.join(str(value) for value in values)}]"


def _text(value: str) -> str:
    return json.dumps(value)
