"""Images in, frames or reasons out."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from running_endpoint import environment, picture
from serving.errors import RequestError
from serving.imageheader import MAX_CHUNKS, MAX_SEGMENTS
from serving.images import MAX_SCANS, decode_image, decode_scaled, image_size

PNG, JPEG = picture((200, 10, 30)), picture((200, 10, 30), kind="JPEG")
SIZES = [(1, 1), (2, 3), (17, 8), (37, 53), (64, 48), (129, 65)]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file of some format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, channels: int = 3) -> Image.Image:
    """Return an image in which every pixel differs from its neighbours, so that each step of decoding shows."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Image.frombytes({1: "L", 3: "RGB", 4: "CMYK"}[channels], (width, height), pixels.tobytes())


def by_pillow(content: bytes) -> np.ndarray:
    """Return the pixels that Pillow's default decoding gives."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """Return one chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(width: int, height: int, depth: int = 8, extra: bytes = b"", after: bytes = b"") -> bytes:
    """Return a PNG file that claims a size and holds 64 bytes of pixels, with chunks before and after these."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels + after + chunk(b"IEND")


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """Return a JPEG file that claims another size than it has."""
    start = next(jpeg.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in jpeg)
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def webp_of(name: bytes, content: bytes) -> bytes:
    """Return a WebP file of one chunk."""
    chunk_bytes = name + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunk_bytes)) + b"WEBP" + chunk_bytes


def many_scans(count: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    jpeg = encoded(noise(16, 16), "JPEG", progressive=True)
    return jpeg[:-2] + jpeg[jpeg.rfind(b"\xff\xda") : -2] * (count - jpeg.count(b"\xff\xda")) + jpeg[-2:]


def refusal(content: bytes) -> RequestError:
    """Return what the image is refused with; it is one line."""
    with pytest.raises(RequestError) as raised:
        decode_image(content)
    assert str(raised.value) and "\n" not in str(raised.value)
    return raised.value


def frames_of(kind: str) -> bytes:
    """Return an animation of two frames."""
    return encoded(Image.new("RGB", (4, 4)), kind, save_all=True, append_images=[Image.new("RGB", (4, 4), "red")])


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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 20}, {"restart_marker_blocks": 1}])
def test_a_jpeg_gives_the_very_pixels_of_training_s_decoder(
    size: tuple[int, int], subsampling: int, options: dict[str, Any]
) -> None:
    jpeg = encoded(noise(*size), "JPEG", subsampling=subsampling, **options)
    assert np.array_equal(decode_image(jpeg), by_pillow(jpeg))


@pytest.mark.parametrize("sampling", ["444", "422", "420", "440", "411", "Gray"])
def test_a_jpeg_of_libjpeg_turbo_s_samplings_gives_the_very_pixels_too(sampling: str) -> None:
    jpeg = simplejpeg.encode_jpeg(np.array(noise(37, 53)), colorsubsampling=sampling)
    assert np.array_equal(decode_image(jpeg), by_pillow(jpeg))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("channels", "options"),
    [(1, {}), (1, {"progressive": True}), (3, {"keep_rgb": True}), (4, {}), (4, {"subsampling": 2})],
)
def test_a_jpeg_of_another_colour_space_gives_the_very_pixels_too(
    size: tuple[int, int], channels: int, options: dict[str, Any]
) -> None:
    jpeg = encoded(noise(*size, channels), "JPEG", **options)
    assert np.array_equal(decode_image(jpeg), by_pillow(jpeg))


def test_a_jpeg_of_a_rare_sampling_is_left_to_pillow() -> None:
    jpeg = bytearray(encoded(noise(32, 32), "JPEG", subsampling=0))
    start = jpeg.find(b"\xff\xc0")
    jpeg[start + 11], jpeg[start + 14], jpeg[start + 17] = 0x21, 0x12, 0x11
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg_header(bytes(jpeg))
    assert np.array_equal(decode_image(bytes(jpeg)), by_pillow(bytes(jpeg)))


@pytest.mark.parametrize("options", [{"quality": 60}, {"lossless": True}, {"quality": 60, "exif": b"Exif\0\0more"}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_of_every_kind_is_a_frame(options: dict[str, Any], mode: str) -> None:
    webp = encoded(noise(37, 53).convert(mode), "WEBP", **options)
    assert image_size(webp) == (37, 53)
    assert np.array_equal(decode_image(webp), by_pillow(webp))


def test_the_orientation_of_the_metadata_is_not_applied() -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert decode_image(encoded(noise(64, 48), "JPEG", exif=exif)).shape == (48, 64, 3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_size_is_read_without_decoding(size: tuple[int, int], kind: str) -> None:
    image = encoded(noise(*size), kind)
    assert image_size(image) == size
    assert image_size(image[: 30 if kind == "WEBP" else 1000]) == size


def test_a_large_jpeg_is_decoded_small_where_that_is_wanted() -> None:
    jpeg = encoded(noise(640, 480), "JPEG")
    assert [decode_scaled(jpeg, side).shape for side in (224, 96, 480)] == [(240, 320, 3), (120, 160, 3), (480, 640, 3)]
    assert decode_scaled(encoded(noise(640, 480), "PNG"), 96).shape == (480, 640, 3)
    with pytest.raises(RequestError, match="cut or damaged"):
        decode_scaled(jpeg[:-50], 96)


@pytest.mark.parametrize("channels, options", [(3, {}), (1, {}), (3, {"progressive": True}), (4, {})])
def test_a_jpeg_that_is_cut_anywhere_is_refused(channels: int, options: dict[str, Any]) -> None:
    jpeg = encoded(noise(16, 16, channels), "JPEG", **options)
    assert all(refusal(jpeg[:length]).status in (400, 415) for length in range(len(jpeg)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_another_image_that_is_cut_is_refused_unless_all_pixels_are_there(kind: str) -> None:
    image = encoded(noise(16, 16), kind)
    pixels = decode_image(image)
    for length in range(len(image) - 20):
        assert refusal(image[:length]).status in (400, 415)
    for length in range(len(image) - 20, len(image)):
        try:
            assert np.array_equal(decode_image(image[:length]), pixels)
        except RequestError as error:
            assert error.status == 400


def test_a_progressive_jpeg_may_have_as_many_scans_as_encoders_write_and_no_more() -> None:
    assert "more than 50 scans" in str(refusal(many_scans(MAX_SCANS + 1)))
    assert "scans" not in str(refusal(many_scans(MAX_SCANS)))  # libjpeg's own complaint about repeated scans


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "the body is empty"),
        (b"hello", 415, "no JPEG, PNG or WebP"),
        (b'{"inputs": []}', 415, "no JPEG, PNG or WebP"),
        (encoded(Image.new("RGB", (4, 4)), "GIF"), 415, "no JPEG, PNG or WebP"),
        (encoded(Image.new("RGB", (4, 4)), "BMP"), 415, "no JPEG, PNG or WebP"),
        (encoded(Image.new("I;16", (4, 4)), "PNG"), 415, "16 bits a channel"),
        (png_of(2, 2, depth=16), 415, "16 bits a channel"),
        (frames_of("PNG"), 415, "animated"),
        (frames_of("WEBP"), 415, "animated"),
        (PNG[: len(PNG) // 2], 400, "cut or damaged"),
        (JPEG[: len(JPEG) // 2], 400, "header is damaged: it is cut"),
        (JPEG[:-20], 400, "cut or damaged"),
        (JPEG[:40] + b"hello" + JPEG[40:], 400, "a marker is missing"),
        (b"\xff\xd8" + JPEG[JPEG.find(b"\xff\xda") :], 400, "it says no size"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * (MAX_SEGMENTS + 1) + JPEG[2:], 400, "more than 1000 segments"),
        (png_of(4, 4, extra=chunk(b"abCd") * MAX_CHUNKS), 400, "more than 20000 chunks"),
        (png_of(4, 4, after=chunk(b"abCd") * MAX_CHUNKS), 400, "more than 20000 chunks"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"a" * 20), 400, "does not begin with IHDR"),
        (png_of(8000, 8000), 413, "8000x8000 pixels, 40000000 are allowed"),
        (png_of(20_000, 20_000), 413, "20000x20000 pixels"),
        (png_of(2**31, 2**31), 413, "pixels, 40000000 are allowed"),
        (png_of(4, 4, extra=chunk(b"IHDR", struct.pack(">IIBBBBB", 7000, 7000, 8, 2, 0, 0, 0))), 413, "7000x7000"),
        (resized(JPEG, 20_000, 20_000), 413, "20000x20000 pixels"),
        (resized(JPEG, 65_535, 65_535), 413, "65535x65535 pixels"),
        (resized(JPEG, 0, 10), 400, "0x10 pixels"),
        (resized(JPEG, 6000, 6000), 400, "cut or damaged"),
        (webp_of(b"VP8X", b"\2\0\0\0" + b"\xff" * 6), 413, "16777216x16777216 pixels"),
        (webp_of(b"VP8L", b"\x2f" + b"\xff" * 20), 413, "16384x16384 pixels"),
        (webp_of(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + b"\xff" * 20), 413, "16383x16383 pixels"),
        (webp_of(b"VP8 ", b"\0\0\0\x9d\x01\x2a\4\0\4\0" + b"\xff" * 20), 400, "cut or damaged"),
        (webp_of(b"ALPH", b"\0" * 20), 400, "no chunk of WebP's"),
        (png_of(100, 100), 400, "cut or damaged"),
        (png_of(4, 4, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**24)))), 400, "too large"),
        (png_of(4, 4, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**24)))), 400, "too large"),
        (png_of(4, 4, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20))) * 80), 400, "Too much memory"),
    ],
)
def test_what_is_no_image_of_ours_is_refused_with_a_reason(content: bytes, status: int, reason: str) -> None:
    error = refusal(content)
    assert error.status == status and reason in str(error)


BELOW_A_LIMIT = """
import resource, sys
from serving.errors import RequestError
from serving.images import decode_image

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, used + 2**25))
for line in sys.stdin:
    try:
        decode_image(bytes.fromhex(line))
    except RequestError as error:
        print(error.status)
"""


def test_no_memory_is_taken_for_an_image_that_is_refused_by_its_header() -> None:
    large = webp_of(b"VP8X", b"\0\0\0\0" + (b"\x1f\x4e\0" * 2)) + bytes(100)
    images = [png_of(20_000, 20_000), resized(JPEG, 20_000, 20_000), webp_of(b"VP8L", b"\x2f" + b"\xff" * 20), large]
    lines = "\n".join(image.hex() for image in images)
    command = [sys.executable, "-c", BELOW_A_LIMIT]
    done = subprocess.run(command, input=lines, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["413"] * len(images), "")


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([PNG, JPEG, picture((200, 10, 30), kind="WEBP")]), st.data())
def test_a_damaged_image_is_decoded_or_refused_and_nothing_else(good: bytes, data: st.DataObject) -> None:
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode_image(bytes(damaged[: data.draw(st.integers(1, len(good)))]))
        assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
    except RequestError as error:
        assert error.status in (400, 413, 415)
        assert str(error) and "\n" not in str(error)
