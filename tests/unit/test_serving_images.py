"""Images in, frames or reasons out."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from running_endpoint import picture
from serving.errors import RequestError
from serving.images import decode_image

PNG, JPEG = picture((200, 10, 30)), picture((200, 10, 30), kind="JPEG")


def encoded(image: Image.Image, kind: str) -> bytes:
    """Return an image as a file of some format."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def png_of(width: int, height: int, depth: int = 8, kind: int = 2) -> bytes:
    """Return a PNG file that claims a size and holds hardly any pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def test_a_png_gives_its_very_pixels() -> None:
    frame = decode_image(PNG)
    assert (frame.shape, frame.dtype) == ((30, 40, 3), np.uint8)
    assert (frame == (200, 10, 30)).all()


def test_a_jpeg_gives_about_its_pixels() -> None:
    difference = decode_image(JPEG).astype(int) - (200, 10, 30)
    assert np.abs(difference).max() <= 3


def test_one_pixel_is_a_frame() -> None:
    assert decode_image(picture((1, 2, 3), (1, 1))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_kind_of_png_with_eight_bits_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (4, 3), (255, 255, 255)).convert("L" if mode == "LA" else "RGB").convert(mode)
    frame = decode_image(encoded(image, "PNG"))
    assert frame.shape == (3, 4, 3)
    assert (frame == 255).all()


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "the body is empty"),
        (b"hello", 415, "no JPEG or PNG"),
        (b'{"inputs": []}', 415, "no JPEG or PNG"),
        (encoded(Image.new("RGB", (4, 4)), "GIF"), 415, "no JPEG or PNG"),
        (encoded(Image.new("RGB", (4, 4)), "BMP"), 415, "no JPEG or PNG"),
        (encoded(Image.new("I;16", (4, 4)), "PNG"), 415, "eight bits a channel"),
        (PNG[: len(PNG) // 2], 400, "cut or damaged"),
        (JPEG[: len(JPEG) // 2], 400, "header is damaged"),
        (JPEG[:-20], 400, "cut or damaged"),
        (png_of(8000, 8000), 400, "8000x8000 pixels, 40000000 are allowed"),
        (png_of(100_000, 100_000), 400, "far more than 40000000 pixels"),
        (png_of(100, 100), 400, "cut or damaged"),
    ],
)
def test_what_is_no_image_of_ours_is_refused_with_a_reason(content: bytes, status: int, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as raised:
        decode_image(content)
    assert raised.value.status == status


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(deadline=None, max_examples=300)
@given(st.sampled_from([PNG, JPEG]), st.data())
def test_a_damaged_image_is_decoded_or_refused_and_nothing_else(good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode_image(bytes(damaged[: data.draw(st.integers(1, len(good)))]))
        assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
    except RequestError as error:
        assert error.status in (400, 415)
        assert str(error) and "\n" not in str(error)
