"""Writes what stands for new images as PNG files, for a batch to score: as cloned, test images of the data set.

    python -m vision.images --raw DIR --out DIR [--count N]

`vision.data` says which images these are. The same raw files give the same bytes, so they are one data version.
Standard library only. Source of the format: w3.org/TR/png-3.
"""

from __future__ import annotations

import argparse
import struct
import sys
import zlib
from itertools import islice
from pathlib import Path

from vision.data import new_images
from vision.errors import VisionError, exit_code
from vision.files import write_bytes

COUNT = 500  # a batch of seconds


def write_images(raw: Path, out: Path, count: int) -> int:
    """Write at most `count` images, 00000.png and so on; return how many. Raises VisionError where there is none."""
    written = 0
    for written, (width, height, pixels) in enumerate(islice(new_images(raw), count), 1):
        write_bytes(out / f"{written - 1:05}.png", png(width, height, pixels))
    if not written:
        raise VisionError(f"{raw}: there is no image to write: fetch the raw files again, or give a --count above 0")
    return written


def png(width: int, height: int, pixels: bytes) -> bytes:
    """Return gray pixels, a byte each and row by row, as a PNG file."""
    rows = b"".join(b"\0" + pixels[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vision.images", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder of raw files that vision.fetch wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the images")
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many at most (default: {COUNT})")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Write the images and return the exit code: 0, or 1 after one line on stderr."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: print(f"images: {write_images(options.raw, options.out, options.count)} written"))


if __name__ == "__main__":
    sys.exit(main())
