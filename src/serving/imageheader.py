"""An image file's kind and size, from its first bytes, before anything is allocated for it. It decodes nothing.

What it reads: JPEG's segments up to the first scan (ITU-T T.81, B.1), PNG's chunks (PNG specification, 5.3 and 11.2.2),
WebP's first chunk (RFC 9649, 2.5 to 2.7). The decoders read the same again; this is only what must be known before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from serving.errors import RequestError

JPEG, PNG, WEBP = "JPEG", "PNG", "WEBP"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The headers of frames (SOF0 to SOF15) say the size; the three codes left out between them mean something else.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
START_OF_SCAN = 0xDA
# Pillow reads segments and chunks in Python, some microseconds each: a file of empty ones would take it many seconds.
MAX_SEGMENTS = 1000
MAX_CHUNKS = 20_000


@dataclass(frozen=True, slots=True)
class Header:
    """The kind of file (JPEG, PNG or WEBP), its size in pixels, and the bits of one channel of one pixel.

    A progressive JPEG gives its pixels in several scans, each of which the decoder goes through.
    """

    kind: str
    width: int
    height: int
    depth: int = 8
    is_progressive: bool = False


def read_header(content: bytes) -> Header:
    """Return what the file says of itself. Raises RequestError: 415 on another format, 400 on a damaged header."""
    try:
        header = _read(content)
    except (IndexError, struct.error):
        raise _damaged("it is cut") from None
    if header.width < 1 or header.height < 1:
        raise _damaged(f"it says {header.width}x{header.height} pixels")
    return header


def _read(content: bytes) -> Header:
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(PNG_SIGNATURE):
        return _png(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp(content)
    if not content:
        raise RequestError(400, "the body is empty: send the bytes of a JPEG, PNG or WebP image")
    raise RequestError(415, "the body is no JPEG, PNG or WebP image")


def _jpeg(content: bytes) -> Header:
    header = None
    for marker, start in _segments(content):
        if marker == START_OF_SCAN:
            break
        if marker in FRAMES:
            depth, height, width = struct.unpack_from(">BHH", content, start)
            header = Header(JPEG, width, height, depth, marker in PROGRESSIVE)
    if header is None:
        raise _damaged("it says no size")
    return header


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker of each segment and where its content starts, without end: the caller stops at the scan."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        while content[position + 1] == content[position] == 0xFF:  # fill bytes
            position += 1
        if content[position] != 0xFF:
            raise _damaged("a marker is missing")
        yield content[position + 1], position + 4
        position += 2 + max(2, *struct.unpack_from(">H", content, position + 2))
    raise _damaged(f"it has more than {MAX_SEGMENTS} segments")


def _png(content: bytes) -> Header:
    name, width, height, depth = struct.unpack_from(">4sIIB", content, 12)
    if name != b"IHDR":
        raise _damaged("it does not begin with IHDR")
    return Header(PNG, width, height, depth)


def check_chunks(content: bytes) -> None:
    """Raise RequestError 400 where a PNG has more chunks than any encoder writes."""
    position, count = len(PNG_SIGNATURE), 0
    while position + 8 <= len(content):
        position, count = position + 12 + int.from_bytes(content[position : position + 4]), count + 1
        if count > MAX_CHUNKS:
            raise _damaged(f"it has more than {MAX_CHUNKS} chunks")


def _webp(content: bytes) -> Header:
    name = content[12:16]
    if name == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        return Header(WEBP, width, height)
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return Header(WEBP, width & 0x3FFF, height & 0x3FFF)
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return Header(WEBP, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise _damaged("it begins with no chunk of WebP's")


def _damaged(reason: str) -> RequestError:
    return RequestError(400, f"the image's header is damaged: {reason}")
