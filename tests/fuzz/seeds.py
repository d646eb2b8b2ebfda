"""Valid inputs of each format, small ones, from which the fuzzers start."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image

SIDE = 4  # pixels of the frames of inference requests
BOUNDARY = b"xyz"


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def images() -> tuple[bytes, ...]:
    """Return images of every format, mode and way of compressing that is read."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8))
    smooth = small.resize((64, 48), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[274] = 6
    jpegs = [
        encoded(smooth, "JPEG"),
        encoded(smooth, "JPEG", progressive=True, quality=30),
        encoded(smooth.convert("L"), "JPEG"),
        encoded(smooth.convert("CMYK"), "JPEG", quality=20),
        encoded(small, "JPEG", subsampling=0, exif=exif, icc_profile=b"profile", comment=b"comment"),
        encoded(small, "JPEG", subsampling=1, restart_marker_blocks=1),
    ]
    modes = [encoded(small.convert(mode), "PNG") for mode in ("1", "L", "P", "RGB", "RGBA")]
    webps = [encoded(smooth, "WEBP", quality=20), encoded(small.convert("RGBA"), "WEBP", lossless=True)]
    webps += [encoded(small.convert("RGBA"), "WEBP", quality=50, exif=exif)]
    frames = {"save_all": True, "append_images": [small.rotate(90)]}
    return (*jpegs, *modes, *webps, encoded(small, "PNG", **frames), encoded(small, "WEBP", **frames))


def requests() -> tuple[bytes, ...]:
    """Return inference requests as JSON."""
    pixels = list(range(SIDE * SIDE * 3))
    return (
        _json(_request(data=pixels)),
        _json(_request(2, data=pixels * 2) | {"id": "a", "parameters": {"timeout": 1000, "binary_data_output": True}}),
        _json(_request(data=np.reshape(pixels, (1, SIDE, SIDE, 3)).tolist()) | {"outputs": [{"name": "label"}]}),
        _json(_request(data=pixels) | {"outputs": [_output("logits", classification=2), _output("probabilities")]}),
    )


def binary_requests() -> tuple[bytes, ...]:
    """Return inference requests as the length of the JSON in two bytes, the JSON, and raw pixels."""
    size = SIDE * SIDE * 3
    plain = _json(_request(parameters={"binary_data_size": size}))
    outputs = {"id": "b", "outputs": [_output("label", binary_data=True), _output("logits", binary_data=False)]}
    full = _json(_request(2, parameters={"binary_data_size": 2 * size}) | outputs)
    return (
        len(plain).to_bytes(2) + plain + bytes(size),
        len(full).to_bytes(2) + full + bytes(2 * size),
        bytes(2) + bytes(size * 3),
    )


def json_of(binary_request: bytes) -> bytes:
    """Return the JSON of a request with raw pixels."""
    return binary_request[2 : 2 + int.from_bytes(binary_request[:2])]


def edits(trees: int) -> tuple[bytes, ...]:
    """Return what leaves each of so many trees as it is (fuzz.trees)."""
    return tuple(bytes((number,)) for number in range(trees))


def forms() -> tuple[bytes, ...]:
    """Return forms: the content type in the first line, then the body."""
    headers = b'Content-Disposition: form-data; name="image"; filename="a%22.jpg"\r\nContent-Type: image/jpeg\r\n'
    part = b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\xff\xd8\r\n\r\n"
    bare = b"--" + BOUNDARY + b"\r\ncontent-disposition: form-data; name=a\r\nContent-Length: 1\r\n\r\nx\r\n"
    end = b"--" + BOUNDARY + b"--\r\n"
    kind = b"multipart/form-data; boundary=" + BOUNDARY + b"\n"
    quoted = b'Multipart/Form-Data; charset=utf-8; boundary="' + BOUNDARY + b'"\n'
    return kind + part + end, kind + part * 3 + bare + end, quoted + b"before\r\n" + bare * 70 + end + b"after"


def conversations() -> tuple[bytes, ...]:
    """Return what clients send over HTTP; the first byte says in pieces of how many bytes, 0 for all at once."""
    get = b"GET /v2/health/%72eady?a=1 HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-One: 2\r\n\r\n"
    post = b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    chunked = b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n"
    old = b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"
    upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore"
    return (
        b"\0" + get + post + chunked,
        b"\1" + post + get,
        b"\7" + chunked + old,
        b"\0" + old + upgrade,
        b"\3" + upgrade,
    )


def declarations() -> tuple[bytes, ...]:
    """Return contents of desired.json."""
    one = {"package": "/packages/2", "digest": "sha256:00", "variant": "int8", "engine": "onnxruntime"}
    two = {"deployments": {"2": one, "3": one}, "traffic": {"2": 90, "3": 10}, "shadow": None}
    shadowed = {"deployments": {"2": one, "3": one}, "traffic": {"2": 100}, "shadow": "3"}
    return _json({"generation": 7, "models": {"a": two, "b": shadowed}}), _json({"generation": 0, "models": {}})


def configurations() -> tuple[bytes, ...]:
    """Return contents of streams.yaml."""
    full = b"""model: {package: a, digest: "sha256:00", variant: int8}
out: b
metrics: {host: 127.0.0.1, port: 0}
streams:
  - {name: gate, source: "rtsp://c", fps: 5, region: [0, 0, 64, 48], priority: 2}
  - {name: file, source: d.mp4, pace: none}
sinks:
  - {kind: jsonl, path: e.jsonl}
spool: {limit_mb: 1.5}
capture: {to: f, per_hour: 60, below: 0.6, random: 0.001, redact: null}
drift: {every_seconds: 60}
"""
    return full, b"model: {package: a, digest: b, variant: c}\nout: d\nstreams:\n  - {name: e, source: f}\n"


def _request(frames: int = 1, **tensor: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "frames", "shape": [frames, SIDE, SIDE, 3], "datatype": "UINT8", **tensor}]}


def _output(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
