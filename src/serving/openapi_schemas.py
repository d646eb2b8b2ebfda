"""The bodies of the HTTP API as JSON Schema 2020-12, for serving.openapi. Data and nothing else.

Sources: the Open Inference Protocol's inference_rest.md; Triton's extension_binary_data.md, extension_classification.md
and extension_model_repository.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
TEXTS: Json = {"type": "array", "items": TEXT}
FLAG: Json = {"type": "boolean"}
COUNT: Json = {"type": "integer", "minimum": 0}
NUMBER: Json = {"type": "number"}
SHAPE: Json = {"type": "array", "items": {"type": "integer"}}
NULLABLE_TEXT: Json = {"type": ["string", "null"]}


def _object(properties: Mapping[str, Json], optional: tuple[str, ...] = (), **more: Any) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


_HELD = {"model_name": TEXT, "model_version": TEXT, "digest": TEXT}
_SCORES = {"label": TEXT, "score": NUMBER, "scores": _map(NUMBER)}
_TENSOR = {"name": TEXT, "datatype": TEXT, "shape": SHAPE}
_BINARY = {"binary_data_size": COUNT}
_LOAD = {"version": {"type": ["string", "integer"]}, "variant": TEXT, "engine": TEXT}
_OUTPUT = {"binary_data": FLAG, "classification": COUNT}
_REQUEST = {"binary_data_output": FLAG, "timeout": {**COUNT, "description": "microseconds"}}

SCHEMAS: Json = {
    "Error": _object({"error": TEXT}),
    "Live": _object({"live": FLAG}),
    "Ready": _object({"live": FLAG, "ready": FLAG}),
    "ModelReady": _object({"name": TEXT, "ready": FLAG}),
    "ServerMetadata": _object({"name": TEXT, "version": TEXT, "extensions": TEXTS}),
    "TensorMetadata": _object(_TENSOR, description="-1 in a shape stands for any size"),
    "ModelMetadata": _object(
        {
            "name": TEXT,
            "versions": TEXTS,
            "platform": TEXT,
            "inputs": _list(_ref("TensorMetadata")),
            "outputs": _list(_ref("TensorMetadata")),
        }
    ),
    "InputTensor": _object(
        {**_TENSOR, "datatype": {"const": "UINT8"}, "data": {"type": "array"}, "parameters": _object(_BINARY, ())},
        optional=("data", "parameters"),
        description="The values in `data`, or their number of bytes in `parameters.binary_data_size`",
    ),
    "RequestedOutput": _object(
        {
            "name": {"enum": ["logits", "probabilities", "label"]},
            "parameters": _object(_OUTPUT, tuple(_OUTPUT)),
        },
        optional=("parameters",),
    ),
    "InferRequest": _object(
        {
            "id": TEXT,
            "inputs": {**_list(_ref("InputTensor")), "minItems": 1, "maxItems": 1},
            "outputs": _list(_ref("RequestedOutput")),
            "parameters": _object(_REQUEST, tuple(_REQUEST)),
        },
        optional=("id", "outputs", "parameters"),
    ),
    "OutputTensor": _object(
        {**_TENSOR, "data": {"type": "array"}, "parameters": _object(_BINARY)}, optional=("data", "parameters")
    ),
    "InferAnswer": _object(
        {"id": TEXT, "model_name": TEXT, "model_version": TEXT, "outputs": _list(_ref("OutputTensor"))},
        optional=("id",),
    ),
    "Form": {**_map({"type": "string", "format": "binary"}), "description": "A part an image file"},
    "Scored": _object({**_SCORES, **_HELD}),
    "ScoredImage": _object({"name": TEXT, **_SCORES}),
    "ScoredForm": _object({"images": _list(_ref("ScoredImage")), **_HELD}),
    "IndexRequest": _object({"ready": FLAG}, optional=("ready",)),
    "Index": _list(
        _object(
            {
                "name": TEXT,
                "version": TEXT,
                "state": {"enum": ["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]},
                "reason": TEXT,
            }
        )
    ),
    "LoadRequest": _object({"parameters": _object(_LOAD, tuple(_LOAD))}, optional=("parameters",)),
    "Load": _object({"name": TEXT, "versions": TEXTS}),
    "UnloadRequest": _object(
        {"parameters": _object({"unload_dependents": FLAG}, ("unload_dependents",))}, optional=("parameters",)
    ),
    "Unload": _object({"name": TEXT}),
    "Deployment": _object(
        {
            "state": {"enum": ["ready", "loading", "failed"]},
            "reason": NULLABLE_TEXT,
            "digest": TEXT,
            "variant": NULLABLE_TEXT,
            "engine": TEXT,
            "requests": COUNT,
            "errors": COUNT,
            "in_flight": COUNT,
            "counters": {"type": "object"},
        }
    ),
    "Model": _object(
        {"traffic": _map(COUNT), "shadow": NULLABLE_TEXT, "deployments": _map(_ref("Deployment"))},
        description="Traffic and deployments by version",
    ),
    "Deployments": _object(
        {
            "observed_generation": COUNT,
            "error": NULLABLE_TEXT,
            "models": _map(_ref("Model")),
            "workers": _object({"wanted": COUNT, "restarts": COUNT, "running": _list(_ref("Worker"))}),
        }
    ),
    "Worker": _object(
        {
            "pid": COUNT,
            "busy_seconds": NUMBER,
            "uptime_seconds": NUMBER,
            "connections": COUNT,
            "has_the_machine": {**FLAG, "description": "nobody else is connected: a slow model may use two threads"},
            "waiting": {**COUNT, "description": "frames"},
            "oldest_wait_seconds": NUMBER,
            "capacity_fps": NUMBER,
        }
    ),
    "OpenApi": {"type": "object"},
}
