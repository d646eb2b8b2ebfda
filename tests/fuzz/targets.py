"""What reads bytes from strangers, each as a function of one input, and what must hold of what it returns."""

from __future__ import annotations

import json
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import yaml

from fuzz import seeds
from fuzz.trees import altered
from fuzz.trial import Target
from serving import images
from serving.desired import parse_desired
from serving.errors import ServingError
from serving.http.limits import Limits, Memory
from serving.http.reader import Received, RequestReader
from serving.imageheader import PNG_SIGNATURE
from serving.model import Contract, Prediction
from serving.multipart import MAX_IMAGES, MAX_NAME, images_of
from serving.streams.config import read_config
from serving.v2.answer import infer_answer
from serving.v2.request import InferRequest, parse_infer

CONTRACT = Contract("frames", (-1, seeds.SIDE, seeds.SIDE, 3), "logits")
CLASSES = ("red", "green", "blue")
LIMITS = Limits(head_bytes=1000, body_bytes=1000, bodies=4000)
CONFIG = Path(tempfile.mkdtemp(prefix="fuzz-")) / "streams.yaml"
images.MAX_PIXELS = 2**20  # more pixels only take longer

# What YAML says that JSON cannot, and what PyYAML reads as something that then is none.
ODD_SCALARS = (
    "2001-99-99",
    "0x_",
    "0b_",
    "!!int x",
    "!!float _",
    "!!timestamp x",
    "!!binary \u00e9",
    "!!set x",
    "1:99",
)
ODD_SCALARS += ("&a [*a]", "*b", "!x y", "{? [a] : b}", "!!python/object:os.system x", "[" * 500 + "]" * 500)
REQUEST_TREES = [json.loads(text) for text in (*seeds.requests(), *map(seeds.json_of, seeds.binary_requests()[:2]))]
REQUEST_EDITS = (b"\0\0", b"\0\1", b"\0\2", b"\0\3", b"\x81\4", b"\x82\5")  # none: JSON, or JSON and frames
DESIRED_TREES = [json.loads(text) for text in seeds.declarations()]
STREAM_TREES = [yaml.safe_load(text) for text in seeds.configurations()]

JSON_WORDS = (b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"true", b"-1", b"1e400", b"\\ud800", b"\xed\xa0\x80")
V2_WORDS = tuple(
    b"inputs outputs name shape datatype data parameters UINT8 FP32 frames logits probabilities label id timeout "
    b"binary_data binary_data_size binary_data_output classification shared_memory_region".split()
)
DESIRED_WORDS = tuple(b"generation models deployments traffic shadow package digest variant engine".split())
STREAM_WORDS = tuple(
    b"model out metrics streams sinks spool capture drift name source fps region priority pace hardware kind port host "
    b"package digest variant engine to per_hour below random redact every_seconds limit_mb "
    b"0o9 .inf .nan !!binary &a *a << | > ? % @ {} [] ~".split()
)
ODD_TEXTS = ("", "a\nb", "\ud800")
V2_TEXTS, DESIRED_TEXTS, STREAM_TEXTS = (
    [*map(bytes.decode, words), *ODD_TEXTS] for words in (V2_WORDS, DESIRED_WORDS, STREAM_WORDS)
)
IMAGE_WORDS = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT", b"eXIf"),
    *(b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"EXIF", b"ICCP"),
    *(bytes((0xFF, marker)) for marker in (0xC0, 0xC2, 0xC4, 0xCC, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE, 0xFE)),
    *(b"Adobe", b"JFIF", b"Exif\0\0", b"MPF\0", b"ICC_PROFILE\0"),
)
FORM_WORDS = (
    *(b"\r\n", b"--xyz", b"--xyz--", b"Content-Disposition: ", b"form-data", b"name=", b"filename=", b"filename*="),
    *(b"Content-Length: ", b"multipart/form-data", b"boundary=", b"charset=", b'"', b"%0D%0A", b"\\"),
)
HTTP_WORDS = (
    *(b"\r\n", b"GET ", b"POST ", b"PRI * HTTP/2.0", b"HTTP/1.1", b"HTTP/1.0", b"Content-Length: ", b"Expect: "),
    *(b"Transfer-Encoding: ", b"chunked", b"Connection: ", b"close", b"keep-alive", b"Upgrade: ", b"100-continue"),
    *(b"CONNECT ", b"HEAD ", b"%00", b"0\r\n\r\n", b"ffffffffffffffff", b"\0"),
)


def infer_json(data: bytes) -> None:
    """Read an inference request in JSON, and answer it."""
    _answer(parse_infer(data, None, CONTRACT))


def infer_binary(data: bytes) -> None:
    """Read an inference request with raw pixels after JSON whose length is in the first two bytes, and answer it."""
    _answer(parse_infer(data[2:], int.from_bytes(data[:2]), CONTRACT))


def infer_tree(data: bytes) -> None:
    """Read a request whose JSON is valid and its values are not; the first bit says whether raw pixels follow it."""
    text = json.dumps(altered(REQUEST_TREES, V2_TEXTS, data[1:])).encode()
    if data[:1] < b"\x80":
        infer_json(text)
    else:
        _answer(parse_infer(text + bytes(data[0] - 128) * (seeds.SIDE * seeds.SIDE * 3), len(text), CONTRACT))


def _answer(request: InferRequest) -> None:
    assert request.frames.dtype == np.uint8 and request.frames.shape[1:] == CONTRACT.input_shape[1:]
    infer_answer(request, Prediction(np.zeros((len(request.frames), len(CLASSES)), np.float32), CLASSES), "a", "1")


def image(data: bytes) -> None:
    """Decode an image, whole and scaled; a PNG's checksums are made right, or nothing would be read but those."""
    content = _with_checksums(data) if data.startswith(PNG_SIGNATURE) else data
    frame = images.decode_image(content)
    width, height = images.image_size(content)
    assert frame.dtype == np.uint8 and frame.shape == (height, width, 3)
    small = images.decode_scaled(content, 16)
    assert min(small.shape[:2]) >= min(16, *frame.shape[:2])


def _with_checksums(png: bytes) -> bytes:
    parts, position = [png[:8]], 8
    while position + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, position)
        content = png[position + 4 : position + 8 + size]
        parts.append(png[position : position + 4] + content + struct.pack(">I", zlib.crc32(content)))
        position += 12 + size
    return b"".join(parts) + png[position:]


def form(data: bytes) -> None:
    """Read a form, whose content type is the first line."""
    kind, _, body = data.partition(b"\n")
    parts = images_of(body, kind.decode("latin-1"))
    assert 0 < len(parts) <= MAX_IMAGES
    assert all(len(name) <= MAX_NAME and (name.isprintable() or not name) for name, _ in parts)


def http(data: bytes) -> None:
    """Read a connection's requests, in pieces of as many bytes as the first byte says; give all memory back."""
    memory = Memory(LIMITS.bodies)
    reader = RequestReader(LIMITS, memory, lambda request: None)
    received: list[Received] = []
    step, rest = data[0] if data else 0, data[1:]
    try:
        for start in range(0, len(rest), step or max(1, len(rest))):
            received += reader.feed(rest[start : start + (step or len(rest))])
    finally:
        reader.abandon()
        assert memory.reserved == sum(one.reserved for one in received)


def desired_tree(data: bytes) -> None:
    """Read a desired.json that is valid JSON of wrong values."""
    parse_desired(json.dumps(altered(DESIRED_TREES, DESIRED_TEXTS, data)).encode())


def stream_tree(data: bytes) -> None:
    """Read a streams.yaml that is well formed, with values of the wrong kind or that YAML itself cannot make."""
    text = json.dumps(altered(STREAM_TREES, [*STREAM_TEXTS, *ODD_SCALARS], data))
    for scalar in ODD_SCALARS:
        text = text.replace(json.dumps(scalar), scalar)
    stream_config(text.encode())


def stream_config(data: bytes) -> None:
    """Read streams.yaml."""
    CONFIG.write_bytes(data)
    assert read_config(CONFIG).streams


TARGETS = (
    Target("infer-json", 10, infer_json, seeds.requests(), words=JSON_WORDS + V2_WORDS),
    Target("infer-binary", 10, infer_binary, seeds.binary_requests(), words=JSON_WORDS + V2_WORDS),
    Target("infer-tree", 22, infer_tree, REQUEST_EDITS, longest=64),
    Target("image", 25, image, seeds.images(), words=IMAGE_WORDS),
    Target("form", 12, form, seeds.forms(), words=FORM_WORDS, longest=8192),
    Target("http", 13, http, seeds.conversations(), words=HTTP_WORDS, longest=2048),
    Target("desired", 2, parse_desired, seeds.declarations(), (ServingError,), JSON_WORDS + DESIRED_WORDS, 2048),
    Target("desired-tree", 4, desired_tree, seeds.edits(len(DESIRED_TREES)), (ServingError,), longest=64),
    Target("stream-config", 1, stream_config, seeds.configurations(), (ServingError,), STREAM_WORDS, 1024),
    Target("stream-tree", 1, stream_tree, seeds.edits(len(STREAM_TREES)), (ServingError,), longest=64),
)
