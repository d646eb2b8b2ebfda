"""The requests: the same frame or JPEG file, put the way that each kind of server takes it.

V2 with binary tensors: https://github.com/kserve/open-inference-protocol and Triton's extension_binary_data.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PATH = "/v2/models/{model}/infer"


@dataclass(frozen=True)
class Payload:
    """What is scored: `kind` is raw or jpeg, `side` the height and width of a raw frame."""

    kind: str
    body: bytes
    side: int


@dataclass(frozen=True)
class Message:
    """One HTTP request, a POST."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def bytes(self, host: str) -> bytes:
        """Return it as it goes over the wire, HTTP/1.1, the connection kept."""
        headers = {"Host": host, **self.headers, "Content-Length": str(len(self.body))}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Builder = Callable[[Payload, str], Message]


def plain(payload: Payload, model: str) -> Message:
    """Return the body as it is, to POST /score."""
    kind = "image/jpeg" if payload.kind == "jpeg" else "application/octet-stream"
    return Message("/score", payload.body, {"Content-Type": kind})


def kserve_v1(payload: Payload, model: str) -> Message:
    """Return the body as it is, to KServe's V1 path, which hands over what is not JSON."""
    return Message("/v1/models/model:predict", payload.body, {"Content-Type": "image/jpeg"})


def binary_bytes(payload: Payload, model: str) -> Message:
    """Return a V2 request whose one tensor is the body's bytes, UINT8 [1, n], for an answer in binary."""
    outputs = [{"name": "answer", "parameters": {"binary_data": True}}]
    return _binary(payload, "model", {"name": "body", "shape": [1, len(payload.body)]}, outputs)


def visionline(payload: Payload, model: str) -> Message:
    """Return what our server takes: V2 with a binary tensor for a raw frame, an image to /score otherwise."""
    if payload.kind == "jpeg":
        return plain(payload, model)
    outputs = [{"name": "probabilities", "parameters": {"classification": 1}}]
    return _binary(payload, model, {"name": "frames", "shape": [1, payload.side, payload.side, 3]}, outputs)


def _binary(payload: Payload, model: str, tensor: dict[str, Any], outputs: list[dict[str, Any]]) -> Message:
    size = {"binary_data_size": len(payload.body)}
    request = {"inputs": [{**tensor, "datatype": "UINT8", "parameters": size}], "outputs": outputs}
    header = json.dumps(request, separators=(",", ":")).encode()
    kinds = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return Message(PATH.format(model=model), header + payload.body, kinds)
