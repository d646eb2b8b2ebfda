"""Draws on frames what the model said of them, and picks the frames to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from serving.truth import Region, Seen

GREEN, RED, WHITE = (46, 204, 113), (231, 76, 60), (255, 255, 255)
LINE_PIXELS = 3
JPEG_QUALITY = 85


def pick(seen: Sequence[Seen], size: int) -> list[Seen]:
    """Return `size` evenly spaced frames of those that have a truth, of all where none has; all where there are fewer.

    The first is always among them.
    """
    known = [one for one in seen if one.truth is not None] or list(seen)
    count = min(size, len(known))
    return [known[index * len(known) // count] for index in range(count)]


def draw(frame: NDArray[np.uint8], region: Region, seen: Seen) -> Image.Image:
    """Return the frame with the region's box, the label and its score: green where right, red where wrong."""
    image = Image.fromarray(frame)
    canvas = ImageDraw.Draw(image)
    colour = WHITE if seen.truth is None else GREEN if seen.label == seen.truth else RED
    x, y, width, height = region
    canvas.rectangle((x, y, x + width - 1, y + height - 1), outline=colour, width=LINE_PIXELS)
    wrong = "" if seen.truth in (None, seen.label) else f" (is {seen.truth})"
    _write(canvas, image, (x, y + height + LINE_PIXELS), f"{seen.label} {seen.score:.0%}{wrong}", colour)
    return image


def save(image: Image.Image, path: Path) -> None:
    """Write an annotated frame as JPEG."""
    image.save(path, "JPEG", quality=JPEG_QUALITY)


def _write(
    canvas: ImageDraw.ImageDraw, image: Image.Image, at: tuple[int, int], text: str, colour: tuple[int, int, int]
) -> None:
    font = ImageFont.load_default(max(10, image.height // 20))
    left, top, right, bottom = (round(edge) for edge in canvas.textbbox((0, 0), text, font))
    x, y = max(0, min(at[0], image.width - right)), max(0, min(at[1], image.height - bottom))
    canvas.rectangle((x + left - 2, y + top - 2, x + right + 2, y + bottom + 2), fill=(0, 0, 0))
    canvas.text((x, y), text, colour, font)
